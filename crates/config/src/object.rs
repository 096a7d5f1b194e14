//! A JSON object with known keys.

use serde_json::{Map, Value};

use crate::{
    FromJson, ValidationErrors, comma_separated,
    document::{self, Document},
    protobuf_struct,
};

/// What some editors put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A type declared with [`object!`](crate::object!).
pub trait Object: FromJson {
    /// The keys it knows.
    const KEYS: &'static [&'static str];

    /// The keys it was given and does not know.
    fn unknown_keys(&self) -> &[String];

    /// Notes a fault for every unknown key; `parent` is the path of the object, empty for the document itself.
    fn check_keys(&self, parent: &str, faults: &mut ValidationErrors) {
        check_keys(self.unknown_keys(), Self::KEYS, parent, faults);
    }
}

fn check_keys(unknown: &[String], known: &[&str], parent: &str, faults: &mut ValidationErrors) {
    let dot = if parent.is_empty() { "" } else { "." };
    for key in unknown {
        let known = comma_separated(&mut known.iter().copied());
        faults.add(format_args!("{parent}{dot}{key}"), format_args!("unknown key; known are {known}"));
    }
}

/// Reads a document whose top level is the object `T`, as JSON or as the bytes of a `google.protobuf.Struct`. Unknown keys
/// of the top level, and keys that are there twice at any level, are noted already.
///
/// # Errors
/// Bytes that are neither, or a document that is not an object.
pub fn read<T: Object>(document: &[u8]) -> Result<(T, ValidationErrors), ValidationErrors> {
    let mut faults = ValidationErrors::default();
    let read = value(document, &mut faults).map(T::from_json);
    match read {
        Some(Some(object)) => {
            object.check_keys("", &mut faults);
            return Ok((object, faults));
        }
        Some(None) => faults.add("", "the configuration must be a JSON object"),
        None => {}
    }
    Err(faults)
}

/// Reads a document. Not generic: it is in every module once.
fn value(document: &[u8], faults: &mut ValidationErrors) -> Option<Value> {
    let text = document.strip_prefix(BYTE_ORDER_MARK).unwrap_or(document);
    if text.trim_ascii().is_empty() {
        faults.add("", "the configuration is empty; it must be a JSON object");
        return None;
    }
    let error = match document::parse(text) {
        Ok(Document { value, repeated }) => {
            for path in repeated {
                faults.add(path, "is there twice; remove one of the two");
            }
            return Some(value);
        }
        Err(error) => error,
    };
    let decoded = protobuf_struct::decode(document);
    if decoded.is_none() {
        faults.add("", format_args!("the configuration is not JSON: {error}"));
    }
    decoded
}

/// The keys of an object that are not `known`.
#[doc(hidden)]
pub fn unknown_keys(members: &Map<String, Value>, known: &[&str]) -> Vec<String> {
    members.keys().filter(|key| !known.contains(&key.as_str())).cloned().collect()
}

/// Declares a raw configuration type: a struct whose every field is a [`Field`](crate::Field) under the key of its name,
/// with [`Object`] for it, and its JSON Schema in native builds.
#[macro_export]
macro_rules! object {
    ($(#[$outer:meta])* $vis:vis struct $name:ident { $($(#[$inner:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$outer])*
        #[derive(Default)]
        #[cfg_attr(not(target_arch = "wasm32"), derive($crate::schemars::JsonSchema))]
        #[cfg_attr(
            not(target_arch = "wasm32"),
            schemars(crate = "::acpw_config::schemars", deny_unknown_fields, default)
        )]
        $vis struct $name {
            $(
                $(#[$inner])*
                $vis $field: $crate::Field<$type>,
            )*
            #[cfg_attr(not(target_arch = "wasm32"), schemars(skip))]
            unknown_keys: Vec<String>,
        }

        impl $crate::Object for $name {
            const KEYS: &'static [&'static str] = &[$(stringify!($field)),*];

            fn unknown_keys(&self) -> &[String] {
                &self.unknown_keys
            }
        }

        impl $crate::FromJson for $name {
            const EXPECTED: &'static str = "an object";

            fn from_json(value: $crate::serde_json::Value) -> Option<Self> {
                let $crate::serde_json::Value::Object(mut members) = value else { return None };
                let members = &mut members;
                Some(Self {
                    $($field: $crate::Field::take(members, stringify!($field)),)*
                    unknown_keys: $crate::unknown_keys(members, <Self as $crate::Object>::KEYS),
                })
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::{Field, Object, Secret, ValidationErrors, read};

    object! {
        /// A document.
        struct Outer {
            /// A list.
            names: Vec<Field<String>>,
            /// An object.
            inner: Inner,
            /// A number.
            number: u64,
            /// Not to be shown.
            key: Secret,
        }
    }

    object! {
        /// A part.
        struct Inner {
            /// A flag.
            flag: bool,
        }
    }

    fn faults(document: &str) -> Vec<String> {
        let (outer, mut faults): (Outer, _) = match read(document.as_bytes()) {
            Ok(read) => read,
            Err(faults) => return faults.lines().collect(),
        };
        for (index, name) in outer.names.optional("names", &mut faults).into_iter().flatten().enumerate() {
            name.required(format_args!("names[{index}]"), &mut faults);
        }
        if let Some(inner) = outer.inner.optional("inner", &mut faults) {
            inner.check_keys("inner", &mut faults);
            inner.flag.required("inner.flag", &mut faults);
        }
        outer.number.within("number", 1..=10, 5, &mut faults);
        outer.key.optional("key", &mut faults);
        faults.lines().collect()
    }

    #[test]
    fn every_fault_is_told_with_its_path() {
        let document = r#"{"names": ["a", 5, null], "inner": {"falg": true}, "number": 11, "key": 7, "other": {}}"#;
        assert_eq!(
            faults(document),
            [
                "other: unknown key; known are names, inner, number, key",
                "names[1]: must be a string",
                "names[2]: is required",
                "inner.falg: unknown key; known are flag",
                "inner.flag: is required",
                "number: 11 is not within 1 and 10",
                "key: must be a string",
            ]
        );
    }

    #[test]
    fn a_document_without_faults_has_none() {
        assert!(faults(r#"{"names": [], "inner": {"flag": false}, "number": null, "key": "k"}"#).is_empty());
        assert!(faults("{}").is_empty());
    }

    #[test]
    fn what_is_not_an_object_is_told() {
        assert_eq!(faults(" \n"), ["the configuration is empty; it must be a JSON object"]);
        assert_eq!(faults("[1]"), ["the configuration must be a JSON object"]);
        assert!(faults("{\"a\": }")[0].contains("line 1 column 7"));
        assert_eq!(
            faults(r#"{"number": 1.5, "inner": 1}"#),
            ["inner: must be an object", "number: must be a whole number"]
        );
    }

    #[test]
    fn a_key_that_is_there_twice_is_a_fault() {
        assert_eq!(
            faults(r#"{"number": 1, "inner": {"flag": true, "flag": false}, "key": "wJalr", "number": 2, "key": "k"}"#),
            [
                "inner.flag: is there twice; remove one of the two",
                "number: is there twice; remove one of the two",
                "key: is there twice; remove one of the two",
            ]
        );
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert!(faults("\u{feff}{}").is_empty());
        assert_eq!(faults("\u{feff} "), ["the configuration is empty; it must be a JSON object"]);
    }

    #[test]
    fn a_protobuf_struct_is_read_like_json() {
        // {"inner": {"flag": true}, "number": 10, "other": "x"}
        let bytes = b"\n\x17\n\x05inner\x12\x0e*\x0c\n\n\n\x04flag\x12\x02\x20\x01\
            \n\x13\n\x06number\x12\t\x11\0\0\0\0\0\0$@\n\x0c\n\x05other\x12\x03\x1a\x01x";
        let (outer, faults) = read::<Outer>(bytes).unwrap();
        assert_eq!(faults.lines().collect::<Vec<_>>(), ["other: unknown key; known are names, inner, number, key"]);
        assert!(matches!(outer.number, Field::Valid(10)));
        assert!(matches!(outer.inner, Field::Valid(Inner { flag: Field::Valid(true), .. })));
    }

    #[test]
    fn a_whole_number_may_be_written_as_a_template_writes_it() {
        for (number, read) in [
            ("5", Some(5)),
            ("5.0", Some(5)),
            ("6e0", Some(6)),
            ("0.1e2", Some(10)),
            ("5.5", None),
            ("-5.0", None),
            ("1e300", None),
            ("\"5\"", None),
        ] {
            let (outer, _) = self::read::<Outer>(format!(r#"{{"number": {number}}}"#).as_bytes()).unwrap();
            let value = if let Field::Valid(value) = outer.number { Some(value) } else { None };
            assert_eq!(value, read, "{number}");
        }
    }

    #[test]
    fn the_schema_knows_keys_and_types() {
        let schema = serde_json::to_value(schemars::schema_for!(Outer)).unwrap();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["names"]["items"]["type"], "string");
        assert_eq!(schema["properties"]["number"]["description"], "A number.");
        assert_eq!(schema["properties"]["key"]["type"], "string");
        assert!(schema["properties"].get("unknown_keys").is_none());
        assert!(ValidationErrors::default().is_empty());
    }
}
