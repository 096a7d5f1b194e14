//! What is read of a request when it ends.

use crate::{
    dimension::{Dimension, Source},
    measure::Measure,
    outcome::Number,
};

/// A property of Envoy's that is read at the end of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    path: Box<str>,
    pub(crate) target: Target,
}

/// What a property is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Number(Number),
    /// The dimension in this place.
    Dimension(usize),
}

impl Reading {
    /// What these metrics and dimensions need, each property once.
    pub(crate) fn all(measures: &[Measure], dimensions: &[Dimension]) -> Vec<Self> {
        let needs_status = |dimension: &Dimension| matches!(dimension.source, Source::Status | Source::StatusClass);
        let is_needed = |number: &Number| {
            measures.iter().any(|measure| measure.needs().contains(number))
                || (*number == Number::Code && dimensions.iter().any(needs_status))
        };
        let number = |number: Number| Self { path: number.path().into(), target: Target::Number(number) };
        let mut readings: Vec<_> = Number::ALL.into_iter().filter(is_needed).map(number).collect();
        for (place, dimension) in dimensions.iter().enumerate() {
            if let Source::Property(path) = &dimension.source {
                readings.push(Self { path: path.clone(), target: Target::Dimension(place) });
            }
        }
        readings
    }

    /// The property's path, its parts separated by NUL.
    pub fn path(&self) -> &[u8] {
        self.path.as_bytes()
    }
}
