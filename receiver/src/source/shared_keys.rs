//! Validates configuration keys that several sources share.

use acpw_config::{Field, ValidationErrors};
use acpw_metric::{Namespace, PublishTo, StorageResolution, Unit, quota::MAX_DIMENSIONS};

/// Validates a key `metric_namespace`. Returns `None` if it is absent, in which case the receiver's namespace applies.
pub(super) fn namespace(field: Field<String>, path: &str, faults: &mut ValidationErrors) -> Option<Namespace> {
    let name = field.optional(path, faults)?;
    faults.checked(path, Namespace::new(&name))
}

/// Validates a key `publish_to`. Returns `None` if it is absent, in which case the receiver's services apply.
pub(crate) fn publish_to(
    field: Field<Vec<Field<String>>>,
    path: &str,
    faults: &mut ValidationErrors,
) -> Option<PublishTo> {
    PublishTo::from_indices(&field.choices(&PublishTo::NAMES, path, faults)?)
}

/// Validates the keys `unit` and `scale` of the object at `path`.
pub(super) fn unit_and_scale(
    unit: Field<String>,
    scale: Field<f64>,
    path: &str,
    faults: &mut ValidationErrors,
) -> (Option<Unit>, Option<f64>) {
    let key = |key: &str| [path, ".", key].concat();
    let unit = unit.optional(key("unit"), faults).and_then(|name| {
        let unit = Unit::from_name(&name);
        if unit.is_none() {
            faults.add(key("unit"), format_args!("CloudWatch has no unit \"{}\"", name.escape_default()));
        }
        unit
    });
    let scale = scale.optional(key("scale"), faults);
    if scale.is_some_and(|scale| scale.is_nan() || scale <= 0.0) {
        faults.add(key("scale"), "must be greater than 0");
    }
    (unit, scale)
}

/// Validates a key `storage_resolution`.
pub(super) fn resolution(
    field: Field<u64>,
    default: StorageResolution,
    path: &str,
    faults: &mut ValidationErrors,
) -> StorageResolution {
    match field.optional(path, faults) {
        None => default,
        Some(1) => StorageResolution::High,
        Some(60) => StorageResolution::Standard,
        Some(_) => {
            faults.add(path, "must be 1 or 60");
            default
        }
    }
}

/// Adds a fault if there are more dimensions than CloudWatch accepts.
pub(super) fn check_dimension_count(count: usize, path: &str, faults: &mut ValidationErrors) {
    if count > MAX_DIMENSIONS {
        faults.add(path, format_args!("has {count} dimensions; CloudWatch accepts at most {MAX_DIMENSIONS}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the result of `read` and the faults that it adds.
    fn checked<T>(read: impl FnOnce(&mut ValidationErrors) -> T) -> (T, Vec<String>) {
        let mut faults = ValidationErrors::default();
        let value = read(&mut faults);
        (value, faults.lines().collect())
    }

    #[test]
    fn units_and_scales_are_validated() {
        let read = |unit, scale| checked(|faults| unit_and_scale(unit, scale, "a[0]", faults));
        let text = |text: &str| Field::Valid(text.to_owned());
        assert_eq!(read(Field::Absent, Field::Absent), ((None, None), vec![]));
        assert_eq!(read(text("Percent"), Field::Valid(1e-3)), ((Some(Unit::PERCENT), Some(1e-3)), vec![]));
        let (values, faults) = read(text("per\"cent"), Field::Valid(0.0));
        assert_eq!(values.0, None);
        assert_eq!(faults, ["a[0].unit: CloudWatch has no unit \"per\\\"cent\"", "a[0].scale: must be greater than 0"]);
        for (scale, is_good) in [(f64::MIN_POSITIVE, true), (-1.0, false), (f64::NAN, false)] {
            assert_eq!(read(Field::Absent, Field::Valid(scale)).1.is_empty(), is_good, "{scale}");
        }
    }

    #[test]
    fn namespaces_and_resolutions_are_validated() {
        let (shop, faults) = checked(|faults| namespace(Field::Valid("Shop".to_owned()), "n", faults));
        assert_eq!((shop.unwrap().as_str(), faults), ("Shop", vec![]));
        assert_eq!(checked(|faults| namespace(Field::Absent, "n", faults)), (None, vec![]));
        let (none, faults) = checked(|faults| namespace(Field::Valid("AWS/Shop".to_owned()), "n", faults));
        assert!(none.is_none() && faults.len() == 1 && faults[0].starts_with("n: must not start"), "{faults:?}");

        let default = StorageResolution::High;
        for (field, expected, fault) in [
            (Field::Absent, default, None),
            (Field::Valid(1), StorageResolution::High, None),
            (Field::Valid(60), StorageResolution::Standard, None),
            (Field::Valid(10), default, Some("r: must be 1 or 60".to_owned())),
        ] {
            let faults = fault.into_iter().collect::<Vec<_>>();
            assert_eq!(checked(|faults| resolution(field, default, "r", faults)), (expected, faults));
        }
    }

    #[test]
    fn more_dimensions_than_cloudwatch_accepts_are_a_fault() {
        for (count, is_good) in [(MAX_DIMENSIONS - 1, true), (MAX_DIMENSIONS, true), (MAX_DIMENSIONS + 1, false)] {
            assert_eq!(checked(|faults| check_dimension_count(count, "d", faults)).1.is_empty(), is_good, "{count}");
        }
    }
}
