//! Validates configuration keys that several sources share.

use acpw_config::{Field, ValidationErrors};
use acpw_metric::{Namespace, StorageResolution, Unit, quota::MAX_DIMENSIONS};

/// Validates a key `metric_namespace`. Returns `None` if it is absent, in which case the receiver's namespace applies.
pub(super) fn namespace(field: Field<String>, path: &str, errors: &mut ValidationErrors) -> Option<Namespace> {
    let name = field.optional(path, errors)?;
    errors.checked(path, Namespace::new(&name))
}

/// Validates the keys `unit` and `scale` of the object at `path`.
pub(super) fn unit_and_scale(
    unit: Field<String>,
    scale: Field<f64>,
    path: &str,
    errors: &mut ValidationErrors,
) -> (Option<Unit>, Option<f64>) {
    let key = |key: &str| [path, ".", key].concat();
    let unit = unit.optional(key("unit"), errors).and_then(|name| {
        let unit = Unit::from_name(&name);
        if unit.is_none() {
            errors.add(key("unit"), format_args!("CloudWatch has no unit \"{}\"", name.escape_default()));
        }
        unit
    });
    let scale = scale.optional(key("scale"), errors);
    if scale.is_some_and(|scale| scale.is_nan() || scale <= 0.0) {
        errors.add(key("scale"), "must be greater than 0");
    }
    (unit, scale)
}

/// Validates a key `storage_resolution`.
pub(super) fn resolution(
    field: Field<u64>,
    default: StorageResolution,
    path: &str,
    errors: &mut ValidationErrors,
) -> StorageResolution {
    match field.optional(path, errors) {
        None => default,
        Some(1) => StorageResolution::High,
        Some(60) => StorageResolution::Standard,
        Some(_) => {
            errors.add(path, "must be 1 or 60");
            default
        }
    }
}

/// Adds an error if there are more dimensions than CloudWatch accepts.
pub(super) fn check_dimension_count(count: usize, path: &str, errors: &mut ValidationErrors) {
    if count > MAX_DIMENSIONS {
        errors.add(path, format_args!("has {count} dimensions; CloudWatch accepts at most {MAX_DIMENSIONS}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the result of `read` and the errors that it adds.
    fn checked<T>(read: impl FnOnce(&mut ValidationErrors) -> T) -> (T, Vec<String>) {
        let mut errors = ValidationErrors::default();
        let value = read(&mut errors);
        (value, errors.lines().collect())
    }

    #[test]
    fn units_and_scales_are_validated() {
        let read = |unit, scale| checked(|errors| unit_and_scale(unit, scale, "a[0]", errors));
        let text = |text: &str| Field::Valid(text.to_owned());
        assert_eq!(read(Field::Absent, Field::Absent), ((None, None), vec![]));
        assert_eq!(read(text("Percent"), Field::Valid(1e-3)), ((Some(Unit::PERCENT), Some(1e-3)), vec![]));
        let (values, errors) = read(text("per\"cent"), Field::Valid(0.0));
        assert_eq!(values.0, None);
        assert_eq!(errors, ["a[0].unit: CloudWatch has no unit \"per\\\"cent\"", "a[0].scale: must be greater than 0"]);
        for (scale, is_good) in [(f64::MIN_POSITIVE, true), (-1.0, false), (f64::NAN, false)] {
            assert_eq!(read(Field::Absent, Field::Valid(scale)).1.is_empty(), is_good, "{scale}");
        }
    }

    #[test]
    fn namespaces_and_resolutions_are_validated() {
        let (shop, errors) = checked(|errors| namespace(Field::Valid("Shop".to_owned()), "n", errors));
        assert_eq!((shop.unwrap().as_str(), errors), ("Shop", vec![]));
        assert_eq!(checked(|errors| namespace(Field::Absent, "n", errors)), (None, vec![]));
        let (none, errors) = checked(|errors| namespace(Field::Valid("AWS/Shop".to_owned()), "n", errors));
        assert!(none.is_none() && errors.len() == 1 && errors[0].starts_with("n: must not start"), "{errors:?}");

        let default = StorageResolution::High;
        for (field, expected, error) in [
            (Field::Absent, default, None),
            (Field::Valid(1), StorageResolution::High, None),
            (Field::Valid(60), StorageResolution::Standard, None),
            (Field::Valid(10), default, Some("r: must be 1 or 60".to_owned())),
        ] {
            let errors = error.into_iter().collect::<Vec<_>>();
            assert_eq!(checked(|errors| resolution(field, default, "r", errors)), (expected, errors));
        }
    }

    #[test]
    fn more_dimensions_than_cloudwatch_accepts_are_a_fault() {
        for (count, is_good) in [(MAX_DIMENSIONS - 1, true), (MAX_DIMENSIONS, true), (MAX_DIMENSIONS + 1, false)] {
            assert_eq!(checked(|errors| check_dimension_count(count, "d", errors)).1.is_empty(), is_good, "{count}");
        }
    }
}
