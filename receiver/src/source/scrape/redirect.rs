//! Checks and shows the locations of redirects.

/// The maximum length of a path that is followed.
const MAX_LENGTH: usize = 2_000;

/// Returns the path and query of a redirect to the same host, or `None` if it leads elsewhere. The cluster is for one
/// host, so requesting another host's path from it would be wrong.
pub(super) fn path_of<'a>(location: &'a str, authority: &str) -> Option<&'a str> {
    let is_scheme = |text: &str| text.eq_ignore_ascii_case("http");
    let path = match location.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => {
            let length = rest.find('/')?;
            let (host, path) = rest.split_at_checked(length)?;
            without_port(host).eq_ignore_ascii_case(without_port(authority)).then_some(path)?
        }
        Some(_) => return None,
        None => location,
    };
    let path = path.split('#').next().unwrap_or_default();
    let is_path = path.starts_with('/') && !path.starts_with("//") && path.len() <= MAX_LENGTH;
    (is_path && path.bytes().all(|byte| byte.is_ascii_graphic())).then_some(path)
}

/// Returns a location for the log, without credentials and query, which may contain a secret.
pub(super) fn shown(location: &str) -> String {
    let shown = location.split(['?', '#']).next().unwrap_or_default();
    let shown = shown.rsplit_once('@').map_or(shown, |(_, host)| host);
    shown.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Returns a host without HTTP's default port.
fn without_port(host: &str) -> &str {
    host.strip_suffix(":80").unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_redirects_on_the_same_host_are_followed() {
        for (location, path) in [
            ("/metrics/", Some("/metrics/")),
            ("/m?a=1#x", Some("/m?a=1")),
            ("http://App:80/m", Some("/m")),
            ("HTTP://app/", Some("/")),
            ("http://app", None),
            ("http://other/m", None),
            ("http://app:9090/m", None),
            ("https://app/m", None),
            ("//other/m", None),
            ("m", None),
            ("", None),
            ("/a b", None),
            ("/\u{e4}", None),
            ("/a\r\nb", None),
        ] {
            assert_eq!(path_of(location, "app"), path, "{location}");
        }
        assert_eq!(path_of(&format!("/{}", "a".repeat(MAX_LENGTH)), "app"), None);
    }

    #[test]
    fn a_location_is_shown_without_secrets() {
        assert_eq!(shown("https://user:pw@sso/login?state=secret"), "sso/login");
        assert_eq!(shown("https://sso/login#a"), "https://sso/login");
    }
}
