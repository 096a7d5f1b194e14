//! A JSON object with known keys.

use serde_json::{Map, Value};

use crate::{
    FromJson, ValidationErrors, comma_separated,
    document::{self, Document},
    protobuf_struct,
};

/// The byte order mark that some editors write at the start of UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A type declared with [`object!`](crate::object!).
pub trait Object: FromJson {
    /// The keys that the type declares.
    const KEYS: &'static [&'static str];

    /// Returns the keys of the JSON object that the type does not declare.
    fn unknown_keys(&self) -> &[String];

    /// Adds an error for every unknown key. `parent` is the path of the object, empty for the document itself.
    fn check_keys(&self, parent: &str, errors: &mut ValidationErrors) {
        check_keys(self.unknown_keys(), Self::KEYS, parent, errors);
    }
}

fn check_keys(unknown: &[String], known: &[&str], parent: &str, errors: &mut ValidationErrors) {
    let dot = if parent.is_empty() { "" } else { "." };
    for key in unknown {
        let known = comma_separated(&mut known.iter().copied());
        errors.add(format_args!("{parent}{dot}{key}"), format_args!("unknown key; known keys are {known}"));
    }
}

/// Reads a document whose root is the object `T`, as JSON or as the encoded bytes of a `google.protobuf.Struct`.
///
/// The returned list has an error for each unknown key of the root, and for each duplicate key at any depth.
///
/// # Errors
/// Returns an error if the bytes are neither JSON nor a Struct, or if the root is not an object.
pub fn read<T: Object>(document: &[u8]) -> Result<(T, ValidationErrors), ValidationErrors> {
    let mut errors = ValidationErrors::default();
    let read = value(document, &mut errors).map(T::from_json);
    match read {
        Some(Some(object)) => {
            object.check_keys("", &mut errors);
            return Ok((object, errors));
        }
        Some(None) => errors.add("", "the configuration must be a JSON object"),
        None => {}
    }
    Err(errors)
}

/// Reads the root of a document. Not generic, so that a module contains one copy of the code.
fn value(document: &[u8], errors: &mut ValidationErrors) -> Option<Value> {
    let text = document.strip_prefix(BYTE_ORDER_MARK).unwrap_or(document);
    if text.trim_ascii().is_empty() {
        errors.add("", "the configuration is empty; it must be a JSON object");
        return None;
    }
    let syntax_error = match document::parse(text) {
        Ok(Document { value, duplicate_keys }) => {
            for path in duplicate_keys {
                errors.add(path, "duplicate key; remove one of the two");
            }
            return Some(value);
        }
        Err(error) => error,
    };
    let decoded = protobuf_struct::decode(document);
    if decoded.is_none() {
        errors.add("", format_args!("the configuration is not JSON: {syntax_error}"));
    }
    decoded
}

/// Returns the keys of an object that are not in `known`.
#[doc(hidden)]
pub fn unknown_keys(members: &Map<String, Value>, known: &[&str]) -> Vec<String> {
    members.keys().filter(|key| !known.contains(&key.as_str())).cloned().collect()
}

/// Declares a raw configuration type: a struct in which every field is a [`Field`](crate::Field) whose key is the name
/// of the field. Implements [`Object`] for it and, in native builds, `JsonSchema`.
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
            /// A secret.
            key: Secret,
        }
    }

    object! {
        /// A nested object.
        struct Inner {
            /// A flag.
            flag: bool,
        }
    }

    fn errors(document: &str) -> Vec<String> {
        let (outer, mut errors): (Outer, _) = match read(document.as_bytes()) {
            Ok(read) => read,
            Err(errors) => return errors.lines().collect(),
        };
        for (index, name) in outer.names.optional("names", &mut errors).into_iter().flatten().enumerate() {
            name.required(format_args!("names[{index}]"), &mut errors);
        }
        if let Some(inner) = outer.inner.optional("inner", &mut errors) {
            inner.check_keys("inner", &mut errors);
            inner.flag.required("inner.flag", &mut errors);
        }
        outer.number.within("number", 1..=10, 5, &mut errors);
        outer.key.optional("key", &mut errors);
        errors.lines().collect()
    }

    #[test]
    fn every_error_is_reported_with_its_path() {
        let document = r#"{"names": ["a", 5, null], "inner": {"falg": true}, "number": 11, "key": 7, "other": {}}"#;
        assert_eq!(
            errors(document),
            [
                "other: unknown key; known keys are names, inner, number, key",
                "names[1]: must be a string",
                "names[2]: is required",
                "inner.falg: unknown key; known keys are flag",
                "inner.flag: is required",
                "number: must be between 1 and 10, got 11",
                "key: must be a string",
            ]
        );
    }

    #[test]
    fn a_valid_document_has_no_errors() {
        assert!(errors(r#"{"names": [], "inner": {"flag": false}, "number": null, "key": "k"}"#).is_empty());
        assert!(errors("{}").is_empty());
    }

    #[test]
    fn a_document_that_is_not_an_object_is_refused() {
        assert_eq!(errors(" \n"), ["the configuration is empty; it must be a JSON object"]);
        assert_eq!(errors("[1]"), ["the configuration must be a JSON object"]);
        assert!(errors("{\"a\": }")[0].contains("line 1 column 7"));
        assert_eq!(
            errors(r#"{"number": 1.5, "inner": 1}"#),
            ["inner: must be an object", "number: must be a whole number"]
        );
    }

    #[test]
    fn a_duplicate_key_is_an_error() {
        assert_eq!(
            errors(r#"{"number": 1, "inner": {"flag": true, "flag": false}, "key": "wJalr", "number": 2, "key": "k"}"#),
            [
                "inner.flag: duplicate key; remove one of the two",
                "number: duplicate key; remove one of the two",
                "key: duplicate key; remove one of the two",
            ]
        );
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert!(errors("\u{feff}{}").is_empty());
        assert_eq!(errors("\u{feff} "), ["the configuration is empty; it must be a JSON object"]);
    }

    #[test]
    fn a_protobuf_struct_is_read_like_json() {
        // {"inner": {"flag": true}, "number": 10, "other": "x"}
        let bytes = b"\n\x17\n\x05inner\x12\x0e*\x0c\n\n\n\x04flag\x12\x02\x20\x01\
            \n\x13\n\x06number\x12\t\x11\0\0\0\0\0\0$@\n\x0c\n\x05other\x12\x03\x1a\x01x";
        let (outer, errors) = read::<Outer>(bytes).unwrap();
        let expected = ["other: unknown key; known keys are names, inner, number, key"];
        assert_eq!(errors.lines().collect::<Vec<_>>(), expected);
        assert!(matches!(outer.number, Field::Valid(10)));
        assert!(matches!(outer.inner, Field::Valid(Inner { flag: Field::Valid(true), .. })));
    }

    #[test]
    fn a_whole_number_may_have_a_fraction_of_zero_or_an_exponent() {
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
    fn the_schema_has_keys_and_types() {
        let schema = serde_json::to_value(schemars::schema_for!(Outer)).unwrap();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["names"]["items"]["type"], "string");
        assert_eq!(schema["properties"]["number"]["description"], "A number.");
        assert_eq!(schema["properties"]["key"]["type"], "string");
        assert!(schema["properties"].get("unknown_keys").is_none());
        assert!(ValidationErrors::default().is_empty());
    }
}
