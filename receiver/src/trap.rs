//! Ends the VM when a test requests it. Released modules are built without this file.

/// A request to end the VM.
#[derive(Debug, Default)]
pub(crate) struct Trap {
    is_requested: bool,
}

impl Trap {
    /// Takes note of a record of a request to `/trap-the-receiver`.
    pub(crate) fn handle_record(&mut self, record: Option<&[u8]>) {
        let path = b"/trap-the-receiver";
        self.is_requested |= record.is_some_and(|record| record.windows(path.len()).any(|text| text == path));
    }

    /// Ends the VM if that was requested.
    #[allow(clippy::panic, reason = "this is the purpose of the feature")]
    pub(crate) fn spring(&self) {
        if self.is_requested {
            panic!("a test has requested it");
        }
    }
}
