//! Fuzzes plugin configurations: each is either accepted or refused with errors.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(errors) = sender::SenderConfig::from_json(bytes, |_| None) {
        assert!(!errors.is_empty());
    }
    let secret = |_: &str| Some("SECRETSECRET".to_owned());
    match receiver::ReceiverConfig::from_json(bytes, secret) {
        Ok(config) => assert!(!format!("{config:?}").contains("SECRETSECRET")),
        Err(errors) => assert!(!errors.is_empty()),
    }
});
