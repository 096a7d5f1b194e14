//! The plan of a query: a parsed expression whose series are selected. Creating it rejects what is not supported.

use std::panic::catch_unwind;

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::token::TokenType;
use promql_parser::parser::{
    AggregateExpr, BinModifier, BinaryExpr, Call, Expr, LabelModifier, Offset, VectorMatchCardinality, VectorSelector,
};

use super::aggregation::Aggregation;
use super::binary::BinaryOperator;
use super::labels::{LabelSelection, METRIC_NAME};
use super::query_error::QueryError;
use super::range_function::RangeFunction;
use super::selection::{SelectedSeries, select};
use super::set_operator::SetOperator;
use crate::otlp::store::OtlpStore;

/// Maximum length of a query in bytes.
const MAX_QUERY_BYTES: usize = 10_000;
/// Maximum depth of an expression, because evaluation is recursive.
const MAX_DEPTH: usize = 100;

/// A function of the histograms in a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HistogramPart {
    Count,
    Sum,
    Average,
}

/// The series of a selector and its offset in milliseconds.
#[derive(Debug)]
pub(super) struct PlannedSelector<'a> {
    pub(super) series: Vec<SelectedSeries<'a>>,
    pub(super) offset_millis: i64,
}

/// A part of a plan.
#[derive(Debug)]
pub(super) enum PlanNode<'a> {
    Number(f64),
    /// The evaluation time in seconds.
    Time,
    Instant(PlannedSelector<'a>),
    Range {
        function: RangeFunction,
        selector: PlannedSelector<'a>,
        range_millis: i64,
    },
    Quantile {
        quantile: Box<PlanNode<'a>>,
        histograms: Box<PlanNode<'a>>,
    },
    HistogramPart(HistogramPart, Box<PlanNode<'a>>),
    /// `vector(…)`.
    ToVector(Box<PlanNode<'a>>),
    /// `scalar(…)`.
    ToScalar(Box<PlanNode<'a>>),
    Negated(Box<PlanNode<'a>>),
    Aggregated(Aggregation, LabelSelection, Box<PlanNode<'a>>),
    Binary {
        operator: BinaryOperator,
        /// A comparison returns 0 or 1 instead of filtering.
        returns_bool: bool,
        matching: LabelSelection,
        operands: Box<(PlanNode<'a>, PlanNode<'a>)>,
    },
    Set(SetOperator, LabelSelection, Box<(PlanNode<'a>, PlanNode<'a>)>),
}

/// The plan of a whole query.
#[derive(Debug)]
pub(super) enum Plan<'a> {
    /// A scalar or an instant vector.
    Instant(PlanNode<'a>),
    /// A range vector, which only an instant query can return.
    Range(PlannedSelector<'a>, i64),
}

impl<'a> Plan<'a> {
    /// Parses a query and selects its series.
    pub(super) fn new(query: &str, store: &'a OtlpStore) -> Result<Self, QueryError> {
        if query.len() > MAX_QUERY_BYTES {
            let message = format!("the query must not be longer than {MAX_QUERY_BYTES} bytes, got {}", query.len());
            return Err(QueryError::bad_data(message));
        }
        let parsed = parse(query)?;
        check_depth(&parsed)?;
        match &parsed {
            Expr::MatrixSelector(matrix) => Ok(Self::Range(selector(&matrix.vs, store)?, millis(matrix.range))),
            expression => Ok(Self::Instant(node(expression, store)?)),
        }
    }
}

/// Returns the matchers of a selector such as `{"http.route"="/cart"}`, which `match[]` parameters are.
pub(super) fn parse_matchers(text: &str) -> Result<Vec<Matcher>, QueryError> {
    match parse(text)? {
        Expr::VectorSelector(selector) => matchers(&selector),
        _ => Err(QueryError::bad_data(format!("{text} is not a selector of series"))),
    }
}

fn parse(query: &str) -> Result<Expr, QueryError> {
    if query.trim().is_empty() {
        return Err(QueryError::bad_data("the query is empty"));
    }
    // promql-parser panics on durations that are too large, such as `[1e30]`.
    let parsed = catch_unwind(|| promql_parser::parser::parse(query));
    let parsed = parsed.unwrap_or_else(|_| Err("a number or a duration is out of range".to_owned()));
    parsed.map_err(|message| QueryError::bad_data(format!("invalid parameter \"query\": {message}")))
}

/// Checks the depth of an expression without recursion.
fn check_depth(expression: &Expr) -> Result<(), QueryError> {
    let mut open = vec![(expression, 1)];
    while let Some((expression, depth)) = open.pop() {
        if depth > MAX_DEPTH {
            return Err(QueryError::bad_data(format!(
                "the query must not be nested more than {MAX_DEPTH} levels deep"
            )));
        }
        let mut push = |child| open.push((child, depth + 1));
        match expression {
            Expr::Aggregate(aggregate) => {
                push(&aggregate.expr);
                aggregate.param.iter().for_each(|param| push(param));
            }
            Expr::Unary(unary) => push(&unary.expr),
            Expr::Binary(binary) => [&binary.lhs, &binary.rhs].into_iter().for_each(|operand| push(operand)),
            Expr::Paren(paren) => push(&paren.expr),
            Expr::Subquery(subquery) => push(&subquery.expr),
            Expr::Call(call) => call.args.args.iter().for_each(|argument| push(argument)),
            Expr::NumberLiteral(_)
            | Expr::StringLiteral(_)
            | Expr::VectorSelector(_)
            | Expr::MatrixSelector(_)
            | Expr::Extension(_) => {}
        }
    }
    Ok(())
}

fn node<'a>(expression: &Expr, store: &'a OtlpStore) -> Result<PlanNode<'a>, QueryError> {
    match expression {
        Expr::NumberLiteral(literal) => Ok(PlanNode::Number(literal.val)),
        Expr::Paren(paren) => node(&paren.expr, store),
        Expr::Unary(unary) => Ok(PlanNode::Negated(Box::new(node(&unary.expr, store)?))),
        Expr::VectorSelector(vector) => Ok(PlanNode::Instant(selector(vector, store)?)),
        Expr::Call(call) => call_node(call, store),
        Expr::Aggregate(aggregate) => aggregate_node(aggregate, store),
        Expr::Binary(binary) => binary_node(binary, store),
        Expr::Subquery(_) => Err(QueryError::unsupported("subqueries")),
        Expr::MatrixSelector(_) => Err(QueryError::unsupported("a range vector in this position")),
        Expr::StringLiteral(_) => Err(QueryError::unsupported("strings as values")),
        Expr::Extension(_) => Err(QueryError::unsupported("extensions")),
    }
}

fn call_node<'a>(call: &Call, store: &'a OtlpStore) -> Result<PlanNode<'a>, QueryError> {
    let name = call.func.name;
    let arguments: Vec<&Expr> = call.args.args.iter().map(|argument| &**argument).collect();
    let unsupported = || QueryError::unsupported(&format!("the function {name} with these arguments"));
    if let Some(function) = RangeFunction::from_name(name) {
        return match arguments.as_slice() {
            [Expr::MatrixSelector(matrix)] => {
                let (selector, range_millis) = (selector(&matrix.vs, store)?, millis(matrix.range));
                Ok(PlanNode::Range { function, selector, range_millis })
            }
            [Expr::Subquery(_)] => Err(QueryError::unsupported("subqueries")),
            _ => Err(unsupported()),
        };
    }
    let inner = |expression| node(expression, store).map(Box::new);
    match (name, arguments.as_slice()) {
        ("histogram_quantile", [quantile, histograms]) => {
            Ok(PlanNode::Quantile { quantile: inner(quantile)?, histograms: inner(histograms)? })
        }
        ("histogram_count", [vector]) => Ok(PlanNode::HistogramPart(HistogramPart::Count, inner(vector)?)),
        ("histogram_sum", [vector]) => Ok(PlanNode::HistogramPart(HistogramPart::Sum, inner(vector)?)),
        ("histogram_avg", [vector]) => Ok(PlanNode::HistogramPart(HistogramPart::Average, inner(vector)?)),
        ("vector", [scalar]) => Ok(PlanNode::ToVector(inner(scalar)?)),
        ("scalar", [vector]) => Ok(PlanNode::ToScalar(inner(vector)?)),
        ("time", []) => Ok(PlanNode::Time),
        ("histogram_quantile" | "histogram_count" | "histogram_sum" | "histogram_avg" | "vector" | "scalar", _) => {
            Err(unsupported())
        }
        _ => Err(QueryError::unsupported(&format!("the function {name}"))),
    }
}

fn aggregate_node<'a>(aggregate: &AggregateExpr, store: &'a OtlpStore) -> Result<PlanNode<'a>, QueryError> {
    let name = aggregate.op.to_string();
    let Some(operator) = Aggregation::from_name(&name) else {
        return Err(QueryError::unsupported(&format!("the aggregation {name}")));
    };
    let grouping = match &aggregate.modifier {
        None => LabelSelection::Only(Vec::new()),
        Some(modifier) => label_selection(modifier),
    };
    Ok(PlanNode::Aggregated(operator, grouping, Box::new(node(&aggregate.expr, store)?)))
}

fn binary_node<'a>(binary: &BinaryExpr, store: &'a OtlpStore) -> Result<PlanNode<'a>, QueryError> {
    let matching = matching(binary.op, binary.modifier.as_ref())?;
    let operands = || Ok(Box::new((node(&binary.lhs, store)?, node(&binary.rhs, store)?)));
    let name = binary.op.to_string();
    if let Some(operator) = SetOperator::from_name(&name) {
        return Ok(PlanNode::Set(operator, matching, operands()?));
    }
    let Some(operator) = BinaryOperator::from_name(&name) else {
        return Err(QueryError::unsupported(&format!("the operator {name}")));
    };
    Ok(PlanNode::Binary { operator, returns_bool: binary.return_bool(), matching, operands: operands()? })
}

fn matching(operator: TokenType, modifier: Option<&BinModifier>) -> Result<LabelSelection, QueryError> {
    let Some(modifier) = modifier else { return Ok(LabelSelection::AllBut(Vec::new())) };
    match &modifier.card {
        VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => {}
        VectorMatchCardinality::ManyToOne(_) => return Err(QueryError::unsupported("group_left")),
        VectorMatchCardinality::OneToMany(_) => return Err(QueryError::unsupported("group_right")),
    }
    if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
        return Err(QueryError::unsupported(&format!("fill modifiers of {operator}")));
    }
    Ok(modifier.matching.as_ref().map_or(LabelSelection::AllBut(Vec::new()), label_selection))
}

fn label_selection(modifier: &LabelModifier) -> LabelSelection {
    match modifier {
        LabelModifier::Include(labels) => LabelSelection::Only(labels.labels.clone()),
        LabelModifier::Exclude(labels) => LabelSelection::AllBut(labels.labels.clone()),
    }
}

fn selector<'a>(vector: &VectorSelector, store: &'a OtlpStore) -> Result<PlannedSelector<'a>, QueryError> {
    if vector.at.is_some() {
        return Err(QueryError::unsupported("the @ modifier"));
    }
    let offset_millis = match vector.offset {
        None => 0,
        Some(Offset::Pos(offset)) => millis(offset),
        Some(Offset::Neg(offset)) => -millis(offset),
    };
    Ok(PlannedSelector { series: select(store, &matchers(vector)?), offset_millis })
}

fn matchers(vector: &VectorSelector) -> Result<Vec<Matcher>, QueryError> {
    if !vector.matchers.or_matchers.is_empty() {
        return Err(QueryError::unsupported("\"or\" between matchers"));
    }
    let name = vector.name.as_ref().map(|name| Matcher::new(MatchOp::Equal, METRIC_NAME, name));
    Ok(vector.matchers.matchers.iter().cloned().chain(name).collect())
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
