//! What requests are told apart by.

use acpw_config::{Field, Members, Object, ShortOr, ValidationErrors, comma_separated};
use acpw_metric::{DimensionName, DimensionValue, dimension::OVERFLOW_VALUE, quota::MAX_DIMENSIONS};

use super::raw::RawDimension;
use crate::dimension::{BUILT_INS, Dimension, Source};

/// The most dimension sets: each of them costs every request a little.
const MAX_DIMENSION_SETS: usize = 32;

/// The definitions of a configuration; `environment` gives the value of a variable.
pub(super) fn definitions(
    raw: Field<Members<ShortOr<RawDimension>>>,
    environment: &dyn Fn(&str) -> Option<String>,
    faults: &mut ValidationErrors,
) -> Vec<Dimension> {
    let mut dimensions = Vec::new();
    for (name, definition) in raw.optional("dimensions", faults).unwrap_or_default().0 {
        let path = format!("dimensions.{}", name.escape_default());
        if BUILT_INS.contains(&name.as_str()) {
            faults.add(&path, "is built in; give another name");
        }
        let checked_name = faults.checked(&path, DimensionName::new(&name));
        let definition = match definition.required(&path, faults) {
            Some(ShortOr::Short(text)) => constant(&path, &text, faults).map(|value| (Source::Constant(value), None)),
            Some(ShortOr::Full(raw)) => definition_of(raw, &path, environment, faults),
            None => None,
        };
        // A definition at fault is still one: sets that name it are not at fault too.
        let fallback = || Some((Source::built_in("host")?, None));
        if let (Some(name), Some((source, default))) = (checked_name, definition.or_else(fallback)) {
            dimensions.push(Dimension { name, source, default });
        }
    }
    dimensions
}

fn definition_of(
    raw: RawDimension,
    path: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    faults: &mut ValidationErrors,
) -> Option<(Source, Option<DimensionValue>)> {
    raw.check_keys(path, faults);
    let default_path = format!("{path}.default");
    let default = raw.default.optional(&default_path, faults);
    let default = default.and_then(|text| constant(&default_path, &text, faults));
    let keys = [
        ("value", raw.value),
        ("environment", raw.environment),
        ("request_header", raw.request_header),
        ("response_header", raw.response_header),
        ("property", raw.property),
        ("built_in", raw.built_in),
    ];
    let mut given = keys.into_iter().filter(|(_, field)| !matches!(field, Field::Absent));
    let (Some((key, field)), None) = (given.next(), given.next()) else {
        let message = "needs exactly one of value, environment, request_header, response_header, property and built_in";
        faults.add(path, message);
        return None;
    };
    let path = format!("{path}.{key}");
    let text = field.required(&path, faults)?;
    let source = match key {
        "value" => Source::Constant(constant(&path, &text, faults)?),
        "environment" => match environment(&text) {
            Some(value) => Source::Constant(constant(&path, &value, faults)?),
            None if default.is_some() => Source::Constant(default.clone()?),
            None => {
                let name = text.escape_default();
                let message = format!("the environment variable \"{name}\" is not set for this VM and has no default");
                faults.add(path, message);
                return None;
            }
        },
        "request_header" => Source::RequestHeader(header_name(&path, &text, faults)?.into()),
        "response_header" => {
            let name = header_name(&path, &text, faults)?;
            Source::Property(["response\0headers\0", &name].concat().into())
        }
        "property" => {
            if text.is_empty() || text.split('.').any(str::is_empty) || text.contains('\0') {
                faults.add(path, "must be the parts of a property's path with dots between them: \"xds.route_name\"");
                return None;
            }
            Source::Property(text.replace('.', "\0").into())
        }
        _ => {
            let source = Source::built_in(&text);
            if source.is_none() {
                unknown(path, &text, BUILT_INS.iter().copied(), faults);
            }
            source?
        }
    };
    Some((source, default))
}

/// Parses a value that the configuration gives, which must not be the one of series beyond `max_series`.
fn constant(path: &str, text: &str, faults: &mut ValidationErrors) -> Option<DimensionValue> {
    if text == OVERFLOW_VALUE {
        faults.add(path, format_args!("must not be {OVERFLOW_VALUE}, which stands for series beyond max_series"));
        return None;
    }
    faults.checked(path, DimensionValue::new(text))
}

/// The sets of a configuration, each as places in the list of dimensions that they use.
pub(super) fn sets(
    raw: Field<Vec<Field<Vec<Field<String>>>>>,
    defined: &[Dimension],
    faults: &mut ValidationErrors,
) -> (Vec<Dimension>, Vec<Vec<usize>>) {
    let own = |name: &str| Field::Valid(name.to_owned());
    let default = || vec![Field::Valid(["host", "method", "path", "status"].map(own).into())];
    let raw_sets = raw.optional("dimension_sets", faults).unwrap_or_else(default);
    if raw_sets.is_empty() || raw_sets.len() > MAX_DIMENSION_SETS {
        faults.add("dimension_sets", format_args!("must have 1 to {MAX_DIMENSION_SETS} sets"));
    }
    let mut dimensions: Vec<Dimension> = Vec::new();
    let mut sets: Vec<Vec<usize>> = Vec::new();
    for (index, names) in raw_sets.into_iter().enumerate() {
        let path = format!("dimension_sets[{index}]");
        let Some(names) = names.required(&path, faults) else { continue };
        if names.len() > MAX_DIMENSIONS {
            let count = names.len();
            faults.add(&path, format_args!("has {count} dimensions; CloudWatch takes at most {MAX_DIMENSIONS}"));
        }
        let mut set = Vec::with_capacity(names.len());
        for (at, name) in names.into_iter().enumerate() {
            let path = format!("{path}[{at}]");
            let Some(name) = name.required(&path, faults) else { continue };
            let Some(place) = place_of(&name, &mut dimensions, defined) else {
                let known = BUILT_INS.into_iter().chain(defined.iter().map(|dimension| dimension.name.as_str()));
                unknown(path, &name, known, faults);
                continue;
            };
            if set.contains(&place) {
                faults.add(path, format_args!("\"{name}\" is there twice"));
            } else {
                set.push(place);
            }
        }
        let is_same = |other: &Vec<usize>| other.len() == set.len() && set.iter().all(|place| other.contains(place));
        match sets.iter().position(is_same) {
            Some(other) => faults.add(path, format_args!("is the same set as dimension_sets[{other}]")),
            None => sets.push(set),
        }
    }
    (dimensions, sets)
}

/// Adds a fault for each definition that no set uses.
pub(super) fn check_use(defined: &[Dimension], used: &[Dimension], faults: &mut ValidationErrors) {
    for Dimension { name, .. } in defined {
        if !used.iter().any(|dimension| dimension.name == *name) {
            let path = format_args!("dimensions.{}", name.as_str());
            faults.add(path, "has no effect, as no dimension set has it; add it to one, or remove it");
        }
    }
}

/// The place of the dimension of this name among those in use.
fn place_of(name: &str, used: &mut Vec<Dimension>, defined: &[Dimension]) -> Option<usize> {
    if let Some(place) = used.iter().position(|dimension| dimension.name.as_str() == name) {
        return Some(place);
    }
    let dimension = match defined.iter().find(|dimension| dimension.name.as_str() == name) {
        Some(dimension) => dimension.clone(),
        None => {
            let name = DimensionName::new(name).ok()?;
            Dimension { source: Source::built_in(name.as_str())?, name, default: None }
        }
    };
    used.push(dimension);
    Some(used.len().saturating_sub(1))
}

fn unknown<'a>(path: String, name: &str, mut known: impl Iterator<Item = &'a str>, faults: &mut ValidationErrors) {
    let known = comma_separated(&mut known);
    faults.add(path, format_args!("there is no dimension \"{}\"; known are {known}", name.escape_default()));
}

/// A header's name as HTTP/2 writes it.
fn header_name(path: &str, text: &str, faults: &mut ValidationErrors) -> Option<String> {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_token_byte) {
        return Some(text.to_ascii_lowercase());
    }
    faults.add(path, format_args!("\"{}\" is not the name of a header", text.escape_default()));
    None
}
