//! Addresses as a page writes them, made whole without being rewritten.

/// Join a reference to the address of its page by RFC 3986, section 5.2.2, and leave every character as it is written.
///
/// The [`url`] crate does the same by the WHATWG's rules, which also escape and put in slashes; what a page *says* is kept as it
/// says it, `https://schema.org` without a slash at its end.
pub fn join(base: &str, reference: &str) -> String {
    let reference: String = reference.trim_matches(is_html_space).chars().filter(|c| !"\t\r\n".contains(*c)).collect();
    if base.is_empty() || reference.is_empty() {
        return if reference.is_empty() { base.into() } else { reference };
    }
    let (b, r) = (Parts::of(base), Parts::of(&reference));
    if r.scheme.is_some_and(|s| b.scheme.is_none_or(|b| !b.eq_ignore_ascii_case(s))) || !b.is_hierarchical() {
        return reference;
    }
    let scheme = b.scheme.unwrap_or_default().to_ascii_lowercase();
    if r.authority.is_some() {
        return whole(&scheme, r.authority, r.path, r.query, r.fragment);
    }
    if r.path.is_empty() {
        return whole(&scheme, b.authority, b.path, r.query.or(b.query), r.fragment);
    }
    whole(&scheme, b.authority, &merge(b.path, r.path), r.query, r.fragment)
}

fn is_html_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{c}' | '\r')
}

struct Parts<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let is_scheme = |s: &str| {
            s.starts_with(|c: char| c.is_ascii_alphabetic())
                && s.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        };
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            _ => (None, text),
        };
        let (rest, fragment) = match rest.split_once('#') {
            Some((rest, fragment)) => (rest, Some(fragment)),
            None => (rest, None),
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                (Some(&rest[..end]), &rest[end..])
            }
            None => (None, rest),
        };
        let full = |part: Option<&'a str>| part.filter(|p| !p.is_empty());
        Parts { scheme, authority: full(authority), path, query: full(query), fragment: full(fragment) }
    }

    fn is_hierarchical(&self) -> bool {
        self.scheme.is_none_or(|s| ["http", "https", "ftp", "file"].iter().any(|known| s.eq_ignore_ascii_case(known)))
    }
}

/// A relative path after the last slash of its page's, with `.` and `..` worked out.
fn merge(base: &str, path: &str) -> String {
    let joined = match path.strip_prefix('/') {
        Some(_) => path.to_string(),
        None => {
            let folder = base.rfind('/').map_or("", |at| &base[..at]);
            let mut parts: Vec<&str> = folder.split('/').collect();
            parts.extend(path.split('/'));
            // Empty parts stay at the ends alone.
            let last = parts.len() - 1;
            let kept = parts.iter().enumerate().filter(|(n, p)| *n == 0 || *n == last || !p.is_empty());
            kept.map(|(_, p)| *p).collect::<Vec<_>>().join("/")
        }
    };
    let mut out: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for part in joined.split('/') {
        ends_in_folder = matches!(part, "." | "..");
        match part {
            ".." => drop(out.pop()),
            "." => {}
            part => out.push(part),
        }
    }
    if ends_in_folder {
        out.push("");
    }
    match out.join("/") {
        path if path.is_empty() => "/".into(),
        path => path,
    }
}

fn whole(scheme: &str, authority: Option<&str>, path: &str, query: Option<&str>, fragment: Option<&str>) -> String {
    let mut out = String::new();
    if !scheme.is_empty() {
        out = out + scheme + ":";
    }
    if let Some(authority) = authority {
        out = out + "//" + authority;
        if !path.is_empty() && !path.starts_with('/') {
            out.push('/');
        }
    }
    out += path;
    for (sign, part) in [('?', query), ('#', fragment)] {
        if let Some(part) = part {
            out.push(sign);
            out += part;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn references_are_joined_as_the_standards_examples_are() {
        let base = "http://a/b/c/d;p?q";
        for (reference, expected) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y#s", "http://a/b/c/g?y#s"),
            ("#s", "http://a/b/c/d;p?q#s"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("  /a b.jpg\n", "http://a/a b.jpg"),
            ("https://Schema.org", "https://Schema.org"),
        ] {
            assert_eq!(join(base, reference), expected, "{reference}");
        }
        assert_eq!(join("http://some-example.com", "a.jpg"), "http://some-example.com/a.jpg");
        assert_eq!(join("", "a.jpg"), "a.jpg");
    }
}
