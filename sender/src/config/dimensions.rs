//! Validates the keys `dimensions` and `dimension_sets`.

use acpw_config::{Field, Members, Object, ShortOr, ValidationErrors, comma_separated};
use acpw_metric::{DimensionName, DimensionValue, dimension::OVERFLOW_VALUE, quota::MAX_DIMENSIONS};

use super::raw::RawDimensionDefinition;
use crate::dimension::{BUILT_INS, DimensionDefinition, DimensionSource};

/// The maximum number of dimension sets. Each set adds to the cost of every request.
const MAX_DIMENSION_SETS: usize = 32;

/// Validates the definitions of dimensions. `environment` reads an environment variable.
pub(super) fn definitions(
    raw: Field<Members<ShortOr<RawDimensionDefinition>>>,
    environment: &dyn Fn(&str) -> Option<String>,
    errors: &mut ValidationErrors,
) -> Vec<DimensionDefinition> {
    let mut dimensions = Vec::new();
    for (name, definition) in raw.optional("dimensions", errors).unwrap_or_default().0 {
        let path = format!("dimensions.{}", name.escape_default());
        if BUILT_INS.contains(&name.as_str()) {
            errors.add(&path, "is a built-in dimension; choose another name");
        }
        let checked_name = errors.checked(&path, DimensionName::new(&name));
        let definition = match definition.required(&path, errors) {
            Some(ShortOr::Short(text)) => {
                constant(&path, &text, errors).map(|value| (DimensionSource::Constant(value), None))
            }
            Some(ShortOr::Full(raw)) => definition_of(raw, &path, environment, errors),
            None => None,
        };
        // Replace an invalid definition, so that sets with its name are not reported as well.
        let fallback = || Some((DimensionSource::built_in("host")?, None));
        if let (Some(name), Some((source, default))) = (checked_name, definition.or_else(fallback)) {
            dimensions.push(DimensionDefinition { name, source, default });
        }
    }
    dimensions
}

fn definition_of(
    raw: RawDimensionDefinition,
    path: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    errors: &mut ValidationErrors,
) -> Option<(DimensionSource, Option<DimensionValue>)> {
    raw.check_keys(path, errors);
    let default_path = format!("{path}.default");
    let default = raw.default.optional(&default_path, errors);
    let default = default.and_then(|text| constant(&default_path, &text, errors));
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
        let message =
            "must have exactly one of value, environment, request_header, response_header, property and built_in";
        errors.add(path, message);
        return None;
    };
    let path = format!("{path}.{key}");
    let text = field.required(&path, errors)?;
    let source = match key {
        "value" => DimensionSource::Constant(constant(&path, &text, errors)?),
        "environment" => match environment(&text) {
            Some(value) => DimensionSource::Constant(constant(&path, &value, errors)?),
            None if default.is_some() => DimensionSource::Constant(default.clone()?),
            None => {
                let name = text.escape_default();
                let message = format!(
                    "the environment variable \"{name}\" is not set for this VM; add it to \
                     vm_config.environment_variables, or add a default"
                );
                errors.add(path, message);
                return None;
            }
        },
        "request_header" => DimensionSource::RequestHeader(header_name(&path, &text, errors)?.into()),
        "response_header" => {
            let name = header_name(&path, &text, errors)?;
            DimensionSource::Attribute(["response\0headers\0", &name].concat().into())
        }
        "property" => {
            if text.is_empty() || text.split('.').any(str::is_empty) || text.contains('\0') {
                errors
                    .add(path, "must be the path of an attribute with dots between its parts, such as xds.route_name");
                return None;
            }
            DimensionSource::Attribute(text.replace('.', "\0").into())
        }
        _ => {
            let source = DimensionSource::built_in(&text);
            if source.is_none() {
                add_unknown(path, &text, BUILT_INS.iter().copied(), errors);
            }
            source?
        }
    };
    Some((source, default))
}

/// Validates a constant. It must not equal the value of the overflow series.
fn constant(path: &str, text: &str, errors: &mut ValidationErrors) -> Option<DimensionValue> {
    if text == OVERFLOW_VALUE {
        let message = format_args!("must not be {OVERFLOW_VALUE}, which is reserved for requests beyond max_series");
        errors.add(path, message);
        return None;
    }
    errors.checked(path, DimensionValue::new(text))
}

/// Validates the dimension sets. Returns the dimensions in use, and each set as indexes into them.
pub(super) fn sets(
    raw: Field<Vec<Field<Vec<Field<String>>>>>,
    defined: &[DimensionDefinition],
    errors: &mut ValidationErrors,
) -> (Vec<DimensionDefinition>, Vec<Vec<usize>>) {
    let valid = |name: &str| Field::Valid(name.to_owned());
    let default = || vec![Field::Valid(["host", "method", "path", "status"].map(valid).into())];
    let raw_sets = raw.optional("dimension_sets", errors).unwrap_or_else(default);
    if raw_sets.is_empty() || raw_sets.len() > MAX_DIMENSION_SETS {
        let message = format_args!("must have between 1 and {MAX_DIMENSION_SETS} sets, got {}", raw_sets.len());
        errors.add("dimension_sets", message);
    }
    let mut dimensions: Vec<DimensionDefinition> = Vec::new();
    let mut sets: Vec<Vec<usize>> = Vec::new();
    // The number of each set in the configuration, which counts invalid sets as well.
    let mut numbers: Vec<usize> = Vec::new();
    for (number, names) in raw_sets.into_iter().enumerate() {
        let path = format!("dimension_sets[{number}]");
        let Some(names) = names.required(&path, errors) else { continue };
        if names.len() > MAX_DIMENSIONS {
            let count = names.len();
            errors.add(&path, format_args!("must have at most {MAX_DIMENSIONS} dimensions, got {count}"));
        }
        let mut set = Vec::with_capacity(names.len());
        for (position, name) in names.into_iter().enumerate() {
            let path = format!("{path}[{position}]");
            let Some(name) = name.required(&path, errors) else { continue };
            let Some(index) = index_of(&name, &mut dimensions, defined) else {
                let known = BUILT_INS.into_iter().chain(defined.iter().map(|dimension| dimension.name.as_str()));
                add_unknown(path, &name, known, errors);
                continue;
            };
            if set.contains(&index) {
                errors.add(path, format_args!("\"{name}\" is listed twice; remove one of the two"));
            } else {
                set.push(index);
            }
        }
        let is_same = |other: &Vec<usize>| other.len() == set.len() && set.iter().all(|index| other.contains(index));
        match sets.iter().zip(&numbers).find(|(other, _)| is_same(other)) {
            Some((_, other)) => {
                let message = format_args!("has the same dimensions as dimension_sets[{other}]; remove one of the two");
                errors.add(path, message);
            }
            None => {
                sets.push(set);
                numbers.push(number);
            }
        }
    }
    (dimensions, sets)
}

/// Adds an error for each definition that no set uses.
pub(super) fn check_use(defined: &[DimensionDefinition], used: &[DimensionDefinition], errors: &mut ValidationErrors) {
    for DimensionDefinition { name, .. } in defined {
        if !used.iter().any(|dimension| dimension.name == *name) {
            let path = format_args!("dimensions.{}", name.as_str());
            errors.add(path, "has no effect because no dimension set contains it; add it to a set, or remove it");
        }
    }
}

/// Returns the index of the dimension with this name among the dimensions in use. Adds the dimension if it is not in
/// use yet.
fn index_of(name: &str, used: &mut Vec<DimensionDefinition>, defined: &[DimensionDefinition]) -> Option<usize> {
    if let Some(index) = used.iter().position(|dimension| dimension.name.as_str() == name) {
        return Some(index);
    }
    let dimension = match defined.iter().find(|dimension| dimension.name.as_str() == name) {
        Some(dimension) => dimension.clone(),
        None => {
            let name = DimensionName::new(name).ok()?;
            DimensionDefinition { source: DimensionSource::built_in(name.as_str())?, name, default: None }
        }
    };
    used.push(dimension);
    Some(used.len().saturating_sub(1))
}

fn add_unknown<'a>(path: String, name: &str, mut known: impl Iterator<Item = &'a str>, errors: &mut ValidationErrors) {
    let known = comma_separated(&mut known);
    let message = format_args!("unknown dimension \"{}\"; known dimensions are {known}", name.escape_default());
    errors.add(path, message);
}

/// Validates the name of a header and converts it to lower case, as in HTTP/2.
fn header_name(path: &str, text: &str, errors: &mut ValidationErrors) -> Option<String> {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_token_byte) {
        return Some(text.to_ascii_lowercase());
    }
    errors.add(path, format_args!("\"{}\" is not a header name", text.escape_default()));
    None
}
