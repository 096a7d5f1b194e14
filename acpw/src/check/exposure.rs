//! Addresses that strangers reach.

use super::{
    Check, Config,
    finding::{OPEN_ADMIN, OPEN_FILES, OPEN_GATEWAY},
};
use crate::inventory::{Address, Listener};

/// The bits of a mode that let others than the owner of a socket connect.
const OTHERS: u32 = 0o077;

impl Check<'_> {
    pub(super) fn exposure(&mut self) {
        self.gateways();
        self.file_servers();
        self.admins();
    }

    fn gateways(&mut self) {
        for index in 0..self.modules.len() {
            let Some(module) = self.modules.get(index) else { continue };
            let Ok(Config::Gateway(config)) = &module.config else { continue };
            let listener = module.plugin.listener.and_then(|index| self.inventory.listeners.get(index));
            let Some(listener) = listener.filter(|_| config.authorization.is_open()) else { continue };
            if listener.address.as_ref().is_some_and(|address| !address.is_local()) {
                let message = "anyone who reaches this address can publish metrics: the gateway asks for no token";
                let remedy = "bind the listener to 127.0.0.1, or set bearer_token or access_keys";
                self.add(&OPEN_GATEWAY, at(listener), message, "open to other machines", remedy);
            }
        }
    }

    fn file_servers(&mut self) {
        let mut listeners: Vec<usize> = self
            .inventory
            .file_servers
            .iter()
            .filter(|server| server.serves_credentials)
            .filter_map(|server| server.listener)
            .collect();
        listeners.dedup();
        for listener in listeners.into_iter().filter_map(|index| self.inventory.listeners.get(index)) {
            match &listener.address {
                Some(Address::Socket { .. }) => {
                    let message = "the listener serves files with credentials on a TCP port";
                    let remedy = "use a Unix socket: pipe: { path: /run/envoy/files.sock, mode: 0600 }";
                    self.add(&OPEN_FILES, at(listener), message, "a TCP port", remedy);
                }
                Some(Address::Pipe { mode, .. }) if !is_private(mode.as_deref()) => {
                    let message = "other users of this machine can open the socket that serves files with credentials";
                    self.add(&OPEN_FILES, at(listener), message, "not limited to Envoy's user", "set mode: 0600");
                }
                Some(Address::Pipe { .. }) | None => {}
            }
        }
    }

    fn admins(&mut self) {
        for admin in self.inventory.admins.iter().filter(|admin| !admin.address.is_local()) {
            let message = "anyone who reaches this address can end Envoy and read its configuration";
            let remedy = "bind the admin interface to 127.0.0.1 or a Unix socket";
            let at = (admin.scope, admin.span.clone());
            self.add(&OPEN_ADMIN, at, message, "open to other machines", remedy);
        }
    }
}

fn at(listener: &Listener) -> (usize, std::ops::Range<usize>) {
    (listener.scope, listener.span.clone())
}

/// Returns true if a mode lets nobody but the owner connect. A mode with a leading 0 is octal in YAML.
fn is_private(mode: Option<&str>) -> bool {
    let parsed = mode.and_then(|mode| match mode.strip_prefix("0o").or_else(|| mode.strip_prefix('0')) {
        Some(digits) => u32::from_str_radix(digits, 8).ok(),
        None => mode.parse().ok(),
    });
    parsed.is_some_and(|mode| mode != 0 && mode & OTHERS == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_modes_without_bits_for_others_are_private() {
        for (mode, private) in
            [(Some("0600"), true), (Some("0o600"), true), (Some("384"), true), (Some("0660"), false), (None, false)]
        {
            assert_eq!(is_private(mode), private, "{mode:?}");
        }
    }
}
