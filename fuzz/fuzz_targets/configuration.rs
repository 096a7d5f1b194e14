//! Plugin configurations: taken, or refused with faults.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(faults) = sender::SenderConfig::from_json(bytes, |_| None) {
        assert!(!faults.is_empty());
    }
    let secret = |_: &str| Some("SECRETSECRET".to_owned());
    match receiver::Config::from_json(bytes, secret) {
        Ok(config) => assert!(!format!("{config:?}").contains("SECRETSECRET")),
        Err(faults) => assert!(!faults.is_empty()),
    }
});
