//! Envoy's access logs, and lists of paths.

use std::collections::{BTreeMap, BTreeSet};

use acpw_metric::datetime::parse_rfc_3339;

/// The names that logs give to a field, the first of which is the field's name here.
const NAMES: [&[&str]; 14] = [
    &[":authority", "authority", "host", "request_authority", "requested_server_name"],
    &[":path", "path", "request_path", "uri", "x-envoy-original-path"],
    &[":method", "method", "request_method"],
    &["response_code", "status", "status_code", "response_status"],
    &["response_flags", "flags"],
    &["duration", "duration_ms", "request_duration"],
    &["upstream_service_time", "x-envoy-upstream-service-time"],
    &["bytes_received"],
    &["bytes_sent"],
    &["start_time", "time", "timestamp", "@timestamp"],
    &["route_name", "route"],
    &["upstream_cluster", "cluster", "upstream_cluster_name"],
    &["virtual_host_name", "virtual_host"],
    &["grpc_status", "grpc_status_number"],
];

/// The fields of a line of Envoy's default format after the request line, in order; those in quotes have no name here
/// if they are not needed.
const DEFAULT_FORMAT: [&str; 6] =
    ["response_code", "response_flags", "bytes_received", "bytes_sent", "duration", "upstream_service_time"];

/// The quoted fields of a line of Envoy's default format after these.
const QUOTED: [&str; 5] = ["x-forwarded-for", "user-agent", "x-request-id", ":authority", "upstream_host"];

/// The requests of a log.
#[derive(Debug, Default)]
pub struct AccessLog {
    /// The requests.
    pub requests: Vec<LoggedRequest>,
    /// The fields that at least one request has.
    pub fields: BTreeSet<String>,
    /// The number of lines that could not be read.
    pub unreadable: usize,
    /// The number and text of the first of them.
    pub first_unreadable: Option<(usize, String)>,
}

/// A request of a log: its fields by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoggedRequest {
    fields: BTreeMap<String, String>,
}

impl AccessLog {
    /// Reads lines of Envoy's default format, JSON objects, or paths, with or without a method before them and a scheme
    /// and host in them. Lines that are empty or start with `#` are ignored.
    pub fn parse(text: &str) -> Self {
        let mut log = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match LoggedRequest::parse(line) {
                Some(request) => {
                    log.fields.extend(
                        request.fields.keys().filter(|name| !log.fields.contains(*name)).cloned().collect::<Vec<_>>(),
                    );
                    log.requests.push(request);
                }
                None => {
                    log.unreadable = log.unreadable.saturating_add(1);
                    let first = || (number.saturating_add(1), line.chars().take(100).collect());
                    log.first_unreadable.get_or_insert_with(first);
                }
            }
        }
        log
    }

    /// Returns the requests per second between the first and the last request, if the log has times.
    pub fn rate(&self) -> Option<f64> {
        let times = || self.requests.iter().filter_map(|request| parse_rfc_3339(request.get("start_time")?));
        let millis = times().max()?.checked_sub(times().min()?)?;
        (millis > 0).then(|| self.requests.len() as f64 * 1_000.0 / millis as f64)
    }
}

impl LoggedRequest {
    /// Returns a field by its name here, which is a header's name for headers.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    fn parse(line: &str) -> Option<Self> {
        match line.as_bytes().first()? {
            b'{' => Self::parse_json(line),
            b'[' => Self::parse_default(line),
            _ => Self::parse_path(line),
        }
    }

    fn parse_json(line: &str) -> Option<Self> {
        let object: BTreeMap<String, serde_json::Value> = serde_json::from_str(line).ok()?;
        let mut request = Self::default();
        for (name, value) in object {
            let text = match value {
                serde_json::Value::String(text) => text,
                serde_json::Value::Number(number) => number.to_string(),
                _ => continue,
            };
            request.set(&name, &text);
        }
        request.get(":path")?;
        Some(request)
    }

    /// Parses `[START_TIME] "METHOD PATH PROTOCOL" CODE FLAGS RECEIVED SENT DURATION SERVICE_TIME "FORWARDED_FOR"
    /// "AGENT" "REQUEST_ID" "AUTHORITY" "UPSTREAM_HOST"`.
    fn parse_default(line: &str) -> Option<Self> {
        let (time, rest) = line.strip_prefix('[')?.split_once("] \"")?;
        let (request_line, rest) = rest.split_once("\" ")?;
        let mut request = Self::default();
        request.set("start_time", time);
        // The path is the client's and may contain spaces; method and protocol may not.
        let (method, rest_of_line) = request_line.split_once(' ')?;
        let (path, _) = rest_of_line.rsplit_once(' ')?;
        request.set(":method", method);
        request.set(":path", path);
        let (numbers, quoted) = rest.split_once('"').unwrap_or((rest, ""));
        let numbers: Vec<&str> = numbers.split_ascii_whitespace().collect();
        // Istio has more fields before the sizes; then only the first ones are known.
        let known = if numbers.len() == DEFAULT_FORMAT.len() { DEFAULT_FORMAT.len() } else { 2 };
        for (name, value) in DEFAULT_FORMAT.iter().zip(&numbers).take(known) {
            request.set(name, value);
        }
        let quoted: Vec<&str> = quoted.split('"').step_by(2).collect();
        if known == DEFAULT_FORMAT.len() {
            for (name, value) in QUOTED.iter().zip(&quoted) {
                request.set(name, value);
            }
        }
        request.get("response_code")?.parse::<u16>().ok()?;
        Some(request)
    }

    /// Parses a path, `METHOD PATH`, or a URL.
    fn parse_path(line: &str) -> Option<Self> {
        let mut request = Self::default();
        let target = match line.split_once(' ') {
            Some((method, target)) if method.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                request.set(":method", method);
                target.trim()
            }
            _ => line,
        };
        let url = target.strip_prefix("https://").or_else(|| target.strip_prefix("http://"));
        let path = match url {
            Some(url) => {
                let end = url.find(['/', '?', '#']).unwrap_or(url.len());
                let (authority, path) = url.split_at_checked(end)?;
                request.set(":authority", authority);
                if path.starts_with('/') { path } else { "/" }
            }
            None => target,
        };
        if !path.starts_with('/') || path.contains(' ') {
            return None;
        }
        request.set(":path", path);
        Some(request)
    }

    /// Sets a field under its name here. `-` means that Envoy has no value.
    fn set(&mut self, name: &str, value: &str) {
        if value.is_empty() || value == "-" {
            return;
        }
        let lower = name.to_ascii_lowercase();
        let known = NAMES.iter().find(|names| names.contains(&lower.as_str())).and_then(|names| names.first());
        // Fields of headers are often written with underscores.
        let name = known.map_or_else(|| lower.replace('_', "-"), |known| (*known).to_owned());
        self.fields.entry(name).or_insert_with(|| value.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get<'l>(log: &'l AccessLog, index: usize, name: &str) -> Option<&'l str> {
        log.requests[index].get(name)
    }

    #[test]
    fn lines_of_envoys_default_format_are_read() {
        let log = AccessLog::parse(concat!(
            "[2026-11-28T10:00:00.000Z] \"GET /users/7?x=1 HTTP/1.1\" 200 - 0 57 12 11 \"10.0.0.1\" \"curl/8\" \"id-1\" ",
            "\"example.com\" \"10.0.0.2:80\"\n",
            "[2026-11-28T10:00:10.000Z] \"POST /a b HTTP/2\" 503 UF 5 19 3 - \"-\" \"-\" \"id-2\" \"example.com:8080\" \"-\"\n",
            "[2026-11-28T10:00:20.000Z] no request\n",
        ));
        assert_eq!((log.requests.len(), log.unreadable), (2, 1));
        assert_eq!(log.first_unreadable.as_ref().unwrap().0, 3);
        assert_eq!((get(&log, 0, ":path"), get(&log, 0, ":method")), (Some("/users/7?x=1"), Some("GET")));
        assert_eq!((get(&log, 0, "upstream_service_time"), get(&log, 0, "duration")), (Some("11"), Some("12")));
        assert_eq!((get(&log, 0, ":authority"), get(&log, 0, "user-agent")), (Some("example.com"), Some("curl/8")));
        assert_eq!((get(&log, 1, ":path"), get(&log, 1, "response_flags")), (Some("/a b"), Some("UF")));
        assert_eq!((get(&log, 1, "upstream_service_time"), get(&log, 1, "response_code")), (None, Some("503")));
        assert_eq!(log.rate(), Some(0.2));
    }

    #[test]
    fn json_lines_are_read_by_the_usual_names() {
        let log = AccessLog::parse(concat!(
            r#"{"authority":"example.com","path":"/a","method":"GET","response_code":200,"x_tenant":"blue","route_name":"r"}"#,
            "\n",
            r#"{":authority":"example.com",":path":"/b",":method":"GET","status":"404","bytes_sent":null}"#,
            "\n{\"message\": 5}\n{broken\n"
        ));
        assert_eq!((log.requests.len(), log.unreadable), (2, 2));
        assert_eq!((get(&log, 0, "x-tenant"), get(&log, 0, "route_name")), (Some("blue"), Some("r")));
        assert_eq!((get(&log, 1, ":path"), get(&log, 1, "response_code")), (Some("/b"), Some("404")));
        assert!(log.fields.contains("x-tenant") && !log.fields.contains("bytes_sent"));
        assert_eq!(log.rate(), None);
    }

    #[test]
    fn paths_and_urls_are_read() {
        let log =
            AccessLog::parse("# paths\n/a\nPOST /b?c\nhttps://example.org/d\nhttp://example.org\nnot a path\n/x y\n");
        let requests: Vec<_> = (0..4)
            .map(|index| (get(&log, index, ":authority"), get(&log, index, ":method"), get(&log, index, ":path")))
            .collect();
        let expected = [
            (None, None, Some("/a")),
            (None, Some("POST"), Some("/b?c")),
            (Some("example.org"), None, Some("/d")),
            (Some("example.org"), None, Some("/")),
        ];
        assert_eq!(requests, expected);
        assert_eq!(log.unreadable, 2);
    }
}
