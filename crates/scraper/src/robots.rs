//! robots.txt as RFC 9309 has it, and as Google's parser reads what the RFC leaves open.
//!
//! A file's bytes in, [`Rules`] for one product token out; a path in, a [`Decision`] with the line that made it out. Groups
//! that name the token are merged, and only where there is none do the groups of `*` count. The longest matching pattern
//! wins, and `Allow` wins a tie. No line but `User-agent` after a rule starts a new group: a `Crawl-delay` or `Sitemap`
//! line does not end one.

use std::time::Duration;

/// What lies after this many bytes is not read. RFC 9309 asks for at least 500 KiB; some shops write more than twice that, and
/// mean it.
pub const MAX_BYTES: usize = 4 << 20;

/// Lines are cut at this many bytes, the length of Google's buffer less its end.
const MAX_LINE: usize = 2083 * 8 - 1;

/// The rules of one robots.txt for one crawler.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    rules: Vec<Rule>,
    crawl_delay: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    allow: bool,
    /// As it is written, but for its bytes beyond ASCII.
    pattern: Vec<u8>,
    /// In the form in which addresses are compared.
    normal: Vec<u8>,
    line: usize,
}

/// Whether an address may be asked for, and by which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may.
    pub allowed: bool,
    /// The rule that decided and the line that it stands on; none where no rule matches.
    pub rule: Option<(String, usize)>,
}

impl Rules {
    /// Read a file for the crawler that calls itself `agent` (its product token alone: letters, `-` and `_`).
    pub fn parse(body: &[u8], agent: &str) -> Self {
        let mut reader = Reader { agent, ..Reader::default() };
        for (n, line) in lines(body) {
            if let Some((key, value)) = key_and_value(line) {
                reader.take(n, key, value);
            }
        }
        let (rules, crawl_delay) = if reader.ever_specific {
            (reader.specific, reader.specific_delay)
        } else {
            (reader.global, reader.global_delay)
        };
        Rules { rules, crawl_delay }
    }

    /// Whether `url` may be asked for: its path and query, without the fragment. Two writings of one address (`%c3` and
    /// `%C3`, `%70` and `p`) are one, in rules and addresses alike.
    pub fn decide(&self, url: &str) -> Decision {
        self.decide_by(|rule| &rule.normal, &normal(path_of(url).as_bytes(), false))
    }

    /// Whether `url` may be asked for, by its path and query byte for byte as they are given, which is how Google's parser
    /// and its test suite have it: whoever asks so has encoded the address before.
    pub fn decide_as_given(&self, url: &str) -> Decision {
        self.decide_by(|rule| &rule.pattern, path_of(url).as_bytes())
    }

    fn decide_by(&self, form: fn(&Rule) -> &Vec<u8>, path: &[u8]) -> Decision {
        let best = self
            .rules
            .iter()
            .filter(|r| !form(r).is_empty() && matches(form(r), path))
            .max_by_key(|r| (form(r).len(), r.allow, std::cmp::Reverse(r.line)));
        match best {
            None => Decision { allowed: true, rule: None },
            Some(rule) => {
                let word = if rule.allow { "Allow" } else { "Disallow" };
                let text = format!("{word}: {}", String::from_utf8_lossy(&rule.pattern));
                Decision { allowed: rule.allow, rule: Some((text, rule.line)) }
            }
        }
    }

    /// The longest `Crawl-delay` of the groups that count, however long it is.
    pub fn crawl_delay(&self) -> Option<Duration> {
        self.crawl_delay
    }
}

/// The token by which robots.txt calls the crawler with this `User-Agent`: "GoodTwin" of "GoodTwin/0.1 (+mailto:...)".
pub fn product_token(user_agent: &str) -> &str {
    let end = user_agent.bytes().position(|b| !(b.is_ascii_alphabetic() || matches!(b, b'-' | b'_')));
    &user_agent[..end.unwrap_or(user_agent.len())]
}

#[derive(Default)]
struct Reader<'a> {
    agent: &'a str,
    in_specific: bool,
    in_global: bool,
    ever_specific: bool,
    /// A rule was seen since the last user agent: the next one starts a new group.
    rules_begun: bool,
    specific: Vec<Rule>,
    global: Vec<Rule>,
    specific_delay: Option<Duration>,
    global_delay: Option<Duration>,
}

impl Reader<'_> {
    fn take(&mut self, line: usize, key: &[u8], value: &[u8]) {
        // Prefixes and misspellings that Google's parser takes, too.
        let starts = |words: &[&str]| {
            words.iter().any(|w| key.len() >= w.len() && key[..w.len()].eq_ignore_ascii_case(w.as_bytes()))
        };
        if starts(&["user-agent", "useragent", "user agent"]) {
            self.user_agent(value);
        } else if starts(&["allow"]) {
            self.rule(true, line, value);
        } else if starts(&["disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"]) {
            self.rule(false, line, value);
        } else if starts(&["crawl-delay", "crawldelay", "crawl delay"]) {
            self.delay(value);
        }
    }

    fn user_agent(&mut self, value: &[u8]) {
        if self.rules_begun {
            (self.in_specific, self.in_global, self.rules_begun) = (false, false, false);
        }
        if value.first() == Some(&b'*') && value.get(1).is_none_or(|b| is_space(*b)) {
            self.in_global = true;
            return;
        }
        let end = value.iter().position(|b| !(b.is_ascii_alphabetic() || matches!(b, b'-' | b'_')));
        if value[..end.unwrap_or(value.len())].eq_ignore_ascii_case(self.agent.as_bytes()) {
            (self.in_specific, self.ever_specific) = (true, true);
        }
    }

    fn rule(&mut self, allow: bool, line: usize, value: &[u8]) {
        if !self.in_specific && !self.in_global {
            return;
        }
        self.rules_begun = true;
        let pattern = escape(value);
        let rule = |pattern: Vec<u8>| Rule { allow, normal: normal(&pattern, true), pattern, line };
        let mut rules = vec![rule(pattern.clone())];
        // A page that may be asked for as `/dir/index.html` may be asked for as `/dir/`.
        if allow
            && let Some(slash) = pattern.iter().rposition(|b| *b == b'/')
            && pattern[slash..].starts_with(b"/index.htm")
        {
            let mut folder = pattern[..=slash].to_vec();
            folder.push(b'$');
            rules.push(rule(folder));
        }
        if self.in_global {
            self.global.extend_from_slice(&rules);
        }
        if self.in_specific {
            self.specific.append(&mut rules);
        }
    }

    fn delay(&mut self, value: &[u8]) {
        let seconds = std::str::from_utf8(value).ok().and_then(|v| v.parse::<f64>().ok());
        let Some(seconds) = seconds.filter(|s| s.is_finite() && *s > 0.0) else { return };
        let delay = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        if self.in_specific {
            self.specific_delay = self.specific_delay.max(Some(delay));
        }
        if self.in_global {
            self.global_delay = self.global_delay.max(Some(delay));
        }
    }
}

/// `*` stands for any bytes, a `$` at the end for the end of the path. All places that the pattern so far can end at are
/// carried along, so that no pattern takes more than its length times the path's.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let mut ends = vec![0];
    for (n, &byte) in pattern.iter().enumerate() {
        match byte {
            b'$' if n + 1 == pattern.len() => return ends.last() == Some(&path.len()),
            b'*' => ends = (ends[0]..=path.len()).collect(),
            _ => {
                ends.retain_mut(|at| {
                    let same = path.get(*at) == Some(&byte);
                    *at += 1;
                    same
                });
                if ends.is_empty() {
                    return false;
                }
            }
        }
    }
    true
}

/// The numbered lines of the part that is read, without a byte order mark.
fn lines(body: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut text = &body[..body.len().min(MAX_BYTES)];
    if body.len() > MAX_BYTES {
        // Half a line could say more than the whole one: `Allow: /` of `Allow: /public`.
        let end = text.iter().rposition(|b| matches!(b, b'\n' | b'\r')).unwrap_or(0);
        text = &text[..end];
    }
    let bom = [0xef, 0xbb, 0xbf].iter().zip(text).take_while(|(a, b)| a == b).count();
    let text = &text[bom..];
    let mut number = 0;
    let mut after_cr = false;
    text.split_inclusive(|b| matches!(b, b'\n' | b'\r')).filter_map(move |line| {
        let (end, content) = match line.split_last() {
            Some((&e, content)) if matches!(e, b'\n' | b'\r') => (Some(e), content),
            _ => (None, line),
        };
        let second_half_of_crlf = after_cr && end == Some(b'\n') && content.is_empty();
        after_cr = end == Some(b'\r');
        if second_half_of_crlf {
            return None;
        }
        number += 1;
        Some((number, &content[..content.len().min(MAX_LINE)]))
    })
}

fn key_and_value(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = trim(line.split(|b| matches!(b, b'#' | 0)).next()?);
    let (key, value) = match line.iter().position(|b| *b == b':') {
        Some(colon) => (&line[..colon], &line[colon + 1..]),
        None => {
            // Somebody forgot the colon; but only two words make a rule.
            let space = line.iter().position(|b| matches!(b, b' ' | b'\t'))?;
            let value = trim(&line[space..]);
            if value.iter().any(|b| matches!(b, b' ' | b'\t')) {
                return None;
            }
            (&line[..space], value)
        }
    };
    let key = trim(key);
    (!key.is_empty()).then(|| (key, trim(value)))
}

/// C's white space, which has the vertical tab that Rust's lacks.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|b| !is_space(*b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !is_space(*b)).map_or(start, |last| last + 1);
    &text[start..end]
}

/// The one writing in which a pattern and a path are compared (RFC 9309, 2.2.2 and 2.2.3): escapes of unreserved characters
/// undone, those of all others in capitals, and what no address holds plainly, escaped. A path's `*` and `$` are escaped, and
/// so is a `$` within a pattern: they mean themselves there.
fn normal(text: &[u8], is_pattern: bool) -> Vec<u8> {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match text[at..] {
            [b'%', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                let digit = |hex: u8| char::from(hex).to_digit(16).expect("checked to be a hex digit") as u8;
                let byte = digit(a) << 4 | digit(b);
                match unreserved(byte) {
                    true => out.push(byte),
                    false => out.extend([b'%', a.to_ascii_uppercase(), b.to_ascii_uppercase()]),
                }
                at += 2;
            }
            [b'*', ..] if is_pattern => out.push(b'*'),
            [b'$'] if is_pattern => out.push(b'$'),
            [byte, ..] if unreserved(byte) || b"%:/?#[]@!&'()+,;=".contains(&byte) => out.push(byte),
            [byte, ..] => out.extend(format!("%{byte:02X}").bytes()),
            [] => unreachable!("the loop ends where the text does"),
        }
        at += 1;
    }
    out
}

/// Patterns are kept in the form that addresses have: bytes beyond ASCII percent-encoded, digits of escapes in capitals.
fn escape(pattern: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(pattern.len());
    let mut at = 0;
    while at < pattern.len() {
        match pattern[at..] {
            [b'%', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                out.extend([b'%', a.to_ascii_uppercase(), b.to_ascii_uppercase()]);
                at += 3;
            }
            [byte, ..] if byte >= 0x80 => {
                out.extend(format!("%{byte:02X}").bytes());
                at += 1;
            }
            _ => {
                out.push(pattern[at]);
                at += 1;
            }
        }
    }
    out
}

/// Path, parameters and query of an address, with a slash in front.
fn path_of(url: &str) -> String {
    let start = if url.starts_with("//") { 2 } else { 0 };
    let find = |from: usize, signs: &[char]| url[from..].find(signs).map(|at| at + from);
    let early = find(start, &['/', '?', ';']);
    let after_scheme = match url[start..].find("://").map(|at| at + start) {
        Some(scheme) if early.is_none_or(|e| e >= scheme) => scheme + 3,
        _ => start,
    };
    let Some(path) = find(after_scheme, &['/', '?', ';']) else { return "/".into() };
    let hash = find(start, &['#']);
    if hash.is_some_and(|h| h < path) {
        return "/".into();
    }
    let text = &url[path..hash.unwrap_or(url.len())];
    if text.starts_with('/') { text.into() } else { format!("/{text}") }
}

#[cfg(test)]
mod tests;
