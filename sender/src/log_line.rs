//! The lines that the sender writes to Envoy's log.

use std::fmt;

use acpw_config::ValidationErrors;

use crate::receiver_watch::PATIENCE;

/// A line in Envoy's log.
#[derive(Clone, Copy, Debug)]
pub enum LogLine<'a> {
    /// The plugin is loaded.
    Started {
        /// The version and commit of the module.
        release: &'a str,
    },
    /// The configuration is invalid. The plugin is not loaded.
    InvalidConfiguration(&'a ValidationErrors),
    /// Envoy refused a host call that the plugin needs to start. The plugin is not loaded.
    HostCallRefused {
        /// The purpose of the call, worded to follow "Envoy refused to".
        purpose: &'static str,
        /// The status that Envoy returned.
        status: &'a dyn fmt::Debug,
    },
    /// An entry of the configuration has no effect. The message starts with the path of the entry.
    ConfigurationWarning(&'a str),
    /// The configuration has metrics of requests in progress, but the sender is attached as an access logger.
    NoRequestsInProgress,
    /// No receiver has registered its queue for [`PATIENCE`].
    NoReceiver {
        /// The `receiver_vm_id` of the configuration.
        vm_id: &'a str,
    },
    /// A queue exists, but no receiver has taken records from it for [`PATIENCE`].
    StalledReceiver {
        /// The `receiver_vm_id` of the configuration.
        vm_id: &'a str,
    },
}

impl LogLine<'_> {
    /// Returns the level at which the line is logged.
    pub fn level(&self) -> Level {
        match self {
            Self::InvalidConfiguration(_) | Self::HostCallRefused { .. } => Level::Critical,
            Self::ConfigurationWarning(_)
            | Self::NoRequestsInProgress
            | Self::NoReceiver { .. }
            | Self::StalledReceiver { .. } => Level::Warning,
            Self::Started { .. } => Level::Info,
        }
    }
}

/// Severity of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The plugin is not loaded.
    Critical,
    /// Something is not as the operator meant it.
    Warning,
    /// The plugin has started.
    Info,
}

impl fmt::Display for LogLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = PATIENCE.as_secs();
        f.write_str("acpw sender: ")?;
        match self {
            Self::Started { release } => write!(f, "{release} started"),
            Self::InvalidConfiguration(errors) => write!(f, "invalid configuration: {errors}"),
            Self::HostCallRefused { purpose, status } => write!(f, "Envoy refused to {purpose}: {status:?}"),
            Self::ConfigurationWarning(warning) => write!(f, "configuration warning: {warning}"),
            Self::NoRequestsInProgress => f.write_str(
                "RequestsInProgress and ConcurrencyUtilization are not published: an access logger does not see when \
                 requests start; attach the sender as an HTTP filter, or remove these metrics",
            ),
            Self::NoReceiver { vm_id } => write!(
                f,
                "found no receiver with the vm_id \"{}\" for more than {seconds} s, so data are held in memory; check that \
                 receiver_vm_id equals the vm_id in the receiver's vm_config, and look for lines of \"acpw receiver\" \
                 in this log",
                vm_id.escape_default()
            ),
            Self::StalledReceiver { vm_id } => write!(
                f,
                "the receiver with the vm_id \"{}\" has not taken data for more than {seconds} s, so data are held in \
                 memory; it failed or is overloaded: look for lines of \"acpw receiver\" in this log",
                vm_id.escape_default()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vm_id_cannot_forge_a_log_line() {
        for line in [LogLine::NoReceiver { vm_id: "re\"ceiver\n" }, LogLine::StalledReceiver { vm_id: "re\"ceiver\n" }]
        {
            assert!(line.to_string().contains("the vm_id \"re\\\"ceiver\\n\" "), "{line}");
        }
    }
}
