//! Ends the VM if a test requests it. Released modules are built without this file.

/// A request to end the VM.
#[derive(Debug, Default)]
pub(crate) struct Trap {
    is_requested: bool,
}

impl Trap {
    /// Checks if a record contains a request to `/trap-the-receiver`.
    pub(crate) fn handle_record(&mut self, record: Option<&[u8]>) {
        let path = b"/trap-the-receiver";
        self.is_requested |= record.is_some_and(|record| record.windows(path.len()).any(|text| text == path));
    }

    /// Ends the VM if that was requested.
    #[allow(clippy::panic, reason = "this is the purpose of the feature")]
    pub(crate) fn trap_if_requested(&self) {
        if self.is_requested {
            panic!("a test has requested it");
        }
    }
}
