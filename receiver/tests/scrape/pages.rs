//! Tests pages as real endpoints write them.

use serde_json::{Value, json};

use crate::{
    PROCESS,
    scene::{Poller, datum},
};

/// Returns a poller of an endpoint with these rules.
fn poller(rules: Value) -> Poller {
    Poller::new(json!([{ "cluster_name": "app", "rules": rules, "interval_millisecond": 1_000 }]))
}

fn nothing() -> Vec<(String, f64, f64)> {
    Vec::new()
}

#[test]
fn an_invalid_line_affects_only_itself() {
    let mut poller = poller(json!([{ "metric": "wanted" }, { "metric": "http.server.duration", "name": "Duration" }]));
    let (id, _) = poller.next_call();
    let page = [
        b"1a 5\nlevel{n=\"\xe4\"} 1\n\xc3\xa4 1\nwanted 1\n".as_slice(),
        b"# TYPE \"http.server.duration\" histogram\n",
        b"{\"http.server.duration_bucket\",le=\"1\"} 4\n{\"other.metric\",le=\"1\"} 4\n",
        b"{\"http.server.duration_count\"} 4\n{\"http.server.duration_sum\"} 2\n",
    ];
    poller.answer_with(id, 200, &[], &page.concat());
    assert_eq!(poller.tick_for(400), [datum("wanted None", 1.0, 1.0)]);
    let counts = poller.sources.counts();
    assert_eq!((counts.answers, counts.failed, counts.skipped_lines), (1, 0, 2));
    let expected = "scrape[0]: line 1 is skipped because it has no valid name: 1a 5";
    assert_eq!(poller.lines(), [expected]);
}

#[test]
fn quoted_names_are_published() {
    let mut poller = poller(json!([{ "metric": "http.*", "unit": "Count" }]));
    let page =
        |count: u32| format!("{PROCESS}# TYPE \"http.requests\" counter\n{{\"http.requests\",a=\"b\"}} {count}\n");
    assert_eq!(poller.rounds([page(4), page(7)]), [nothing(), vec![datum("http.requests Count", 1.0, 3.0)]]);
    assert_eq!(poller.lines(), [""; 0]);
}

#[test]
fn concatenated_texts_are_read_and_series_in_both_are_gaps() {
    let mut poller = poller(json!([{ "metric": "*", "unit": "None" }]));
    let page = |both: u32| {
        format!(
            "{PROCESS}# TYPE a gauge\na 1\n# TYPE both gauge\nboth 1\n# EOF\n# TYPE b gauge\nb 2\n\
             # TYPE both gauge\nboth {both}\n# EOF\n"
        )
    };
    let process = datum("process_start_time_seconds None", 1.0, 1_787_402_159.25);
    let expected = vec![datum("a None", 1.0, 1.0), datum("b None", 1.0, 2.0), process];
    let mut published = poller.rounds([page(1), page(2)]);
    published.iter_mut().for_each(|round| round.sort_by(|a, b| a.0.cmp(&b.0)));
    assert_eq!(published, [expected.clone(), expected]);
    assert_eq!(poller.sources.counts().gaps, 2);
}

#[test]
fn a_last_line_without_a_line_feed_is_read_if_the_response_is_complete() {
    let rules = json!([{ "metric": "a" }, { "metric": "b" }]);
    for (headers, is_complete) in [
        ([("content-length", "7")], true),
        ([("transfer-encoding", "chunked")], true),
        ([("content-length", "8")], false),
        ([("x", "y")], false),
    ] {
        let mut poller = poller(rules.clone());
        let (id, _) = poller.next_call();
        poller.answer_with(id, 200, &headers, b"a 1\nb 2");
        let expected = if is_complete { vec![datum("a None", 1.0, 1.0), datum("b None", 1.0, 2.0)] } else { nothing() };
        assert_eq!(poller.tick_for(400), expected, "{headers:?}");
        assert_eq!(poller.sources.counts().failed, u64::from(!is_complete));
    }
}

#[test]
fn counters_that_go_back_and_forth_are_not_published() {
    for order in [[1_000, 20], [20, 1_000]] {
        let mut poller = poller(json!([{ "metric": "a" }]));
        let pages = (0..20).map(|round: usize| format!("# TYPE a counter\na {}\n", order[round % 2] + round / 2));
        assert_eq!(poller.rounds(pages), vec![nothing(); 20]);
        let lines = poller.lines();
        assert!(lines.len() == 1 && lines[0].contains("the cluster has several endpoints"), "{lines:?}");
    }
}

#[test]
fn gzip_is_read_even_if_it_was_not_requested() {
    use std::io::Write as _;

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"a 1\n").unwrap();
    let body = encoder.finish().unwrap();
    for headers in [[("content-encoding", "gzip")], [("content-type", "text/plain")]] {
        let mut poller = poller(json!([{ "metric": "a" }]));
        let (id, _) = poller.next_call();
        poller.answer_with(id, 200, &headers, &body);
        assert_eq!(poller.tick_for(400), [datum("a None", 1.0, 1.0)]);
    }
    let mut poller = poller(json!([{ "metric": "a" }]));
    let (id, _) = poller.next_call();
    poller.answer_with(id, 200, &[("content-encoding", "br")], b"?");
    assert!(poller.lines()[0].contains("the response is compressed with br; only gzip is supported"));
}

#[test]
fn types_apply_wherever_their_lines_are() {
    // All types are first.
    let mut all_first = poller(json!([{ "metric": "a_total" }]));
    let page = |total: u32| {
        format!("{PROCESS}# TYPE a_total counter\n# TYPE b gauge\n# TYPE c gauge\na_total {total}\nb 1\nc 1\n")
    };
    assert_eq!(all_first.rounds([page(1_000), page(1_003)]), [nothing(), vec![datum("a_total Count", 1.0, 3.0)]]);

    // The type of another family is between two samples.
    let mut between = poller(json!([{ "metric": "rx_bytes_total", "name": "Received", "unit": "Bytes" }]));
    let page = |first: u32, second: u32| {
        format!(
            "{PROCESS}# TYPE rx_bytes_total counter\nrx_bytes_total{{nic=\"a\"}} {first}\n# TYPE up gauge\nup 1\n\
             rx_bytes_total{{nic=\"b\"}} {second}\n"
        )
    };
    let published = between.rounds([page(9_000, 20), page(9_020, 23)]);
    assert_eq!(published, [nothing(), vec![datum("Received Bytes", 1.0, 23.0)]]);

    // Two types of one family contradict each other.
    let mut two = poller(json!([{ "metric": "x" }, { "metric": "y" }]));
    let page = |x: u32| format!("{PROCESS}# TYPE x counter\nx {x}\n# TYPE x gauge\ny 1\n");
    let expected = vec![datum("y None", 1.0, 1.0)];
    assert_eq!(two.rounds([page(20), page(23), page(28)]), [expected.clone(), expected.clone(), expected]);
    assert_eq!(two.sources.counts().gaps, 3);
    let line = "scrape[0]: line 4 is skipped because TYPE lines declare several types for it: x 20";
    assert_eq!(two.lines(), [line]);
}

#[test]
fn creation_times_are_not_published() {
    let page = |total: u32| {
        format!(
            "{PROCESS}# TYPE x_total counter\nx_total {total}\n# TYPE x_created gauge\nx_created 1.7e+09\n\
             # TYPE orders_total counter\norders_total {total}\n# TYPE orders_created gauge\norders_created 5\n"
        )
    };
    let mut poller = poller(json!([{ "metric": "x_*" }, { "metric": "orders_created" }]));
    let gauge = datum("orders_created None", 1.0, 5.0);
    let published = poller.rounds([page(1), page(3)]);
    assert_eq!(published[0], std::slice::from_ref(&gauge));
    assert!(published[1].contains(&gauge) && published[1].contains(&datum("x_total Count", 1.0, 2.0)), "{published:?}");
    assert_eq!(published[1].len(), 2);
}

#[test]
fn histograms_are_read_in_any_order_of_lines() {
    // Python's prometheus_client in multi-process mode writes sums first, then buckets and counts.
    let page = |n: u32| {
        let mut page = format!("{PROCESS}# TYPE h histogram\n");
        let of = |n: u32, path: u32| n * (path + 1);
        for path in 0..40 {
            page.push_str(&format!("h_sum{{path=\"{path}\"}} {}\n", of(n, path)));
        }
        for path in 0..40 {
            let count = of(n, path);
            for bound in ["0.5", "2.0", "+Inf"] {
                let count = if bound == "0.5" { 0 } else { count };
                page.push_str(&format!("h_bucket{{le=\"{bound}\",path=\"{path}\"}} {count}\n"));
            }
            page.push_str(&format!("h_count{{path=\"{path}\"}} {count}\n"));
        }
        page
    };
    let mut poller = poller(json!([{ "metric": "h", "dimensions": { "Path": { "label": "path" } } }]));
    let published = poller.rounds([page(1), page(3)]);
    assert_eq!(published[0], []);
    let mut expected: Vec<_> = (0..40)
        .map(|path| {
            let count = f64::from(2 * (path + 1));
            datum(&format!("h Path={path} None"), count, count)
        })
        .collect();
    let mut last = published[1].clone();
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    last.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(last, expected);
    assert_eq!(poller.sources.counts().gaps, 40);
}

#[test]
fn histograms_are_published_even_if_the_sum_is_an_estimate() {
    // Envoy adds up the middles of its own buckets: three values of 5 and one of 0.5 have a sum of 16.275.
    let page = |n: f64, sum: &str| {
        format!(
            "{PROCESS}# TYPE h histogram\nh_bucket{{le=\"0.5\"}} {n}\nh_bucket{{le=\"1\"}} {n}\nh_bucket{{le=\"5\"}} {}\n\
             h_bucket{{le=\"+Inf\"}} {}\nh_sum {sum}\nh_count {}\n",
            4.0 * n,
            4.0 * n,
            4.0 * n
        )
    };
    let mut poller = poller(json!([{ "metric": "h" }]));
    let published = poller.rounds([page(0.0, "0"), page(1.0, "16.275"), page(2.0, "NaN"), page(3.0, "48.825")]);
    // The largest possible sum is 0.5 + 3 × 5. Without a sum, it is estimated from the middles of the buckets.
    let middle = 0.25 + 3.0 * 3.0;
    let expected = [
        nothing(),
        vec![datum("h None", 4.0, 15.5)],
        vec![datum("h None", 4.0, middle)],
        vec![datum("h None", 4.0, middle)],
    ];
    assert_eq!(published, expected);
    assert_eq!(poller.sources.counts().gaps, 1);
}

#[test]
fn truncated_openmetrics_is_refused_and_a_counter_missing_once_continues() {
    let mut poller = poller(json!([{ "metric": "*_total", "unit": "Count" }]));
    let openmetrics = [("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    let page = |a: u32, b: Option<u32>, end: &str| {
        let b = b.map(|b| format!("b_total {b}\n")).unwrap_or_default();
        format!("{PROCESS}# TYPE a counter\na_total {a}\n# TYPE b counter\n{b}{end}")
    };
    let mut published = Vec::new();
    for text in [page(1, Some(1), "# EOF\n"), page(2, None, "# EOF\n"), page(3, None, ""), page(4, Some(22), "# EOF\n")]
    {
        let (id, _) = poller.next_call();
        poller.answer_with(id, 200, &openmetrics, text.as_bytes());
        published.push(poller.tick_for(800));
    }
    let a = |sum| datum("a_total Count", 1.0, sum);
    assert_eq!(published, [nothing(), vec![a(1.0)], nothing(), vec![a(2.0), datum("b_total Count", 1.0, 21.0)]]);
    assert_eq!(poller.sources.counts().failed, 1);
    assert!(poller.lines()[0].contains("OpenMetrics without \"# EOF\""));
}

#[test]
fn a_byte_order_mark_is_ignored() {
    assert_eq!(poller(json!([{ "metric": "a" }])).rounds(["\u{feff}a 1\n"]), [[datum("a None", 1.0, 1.0)]]);
}
