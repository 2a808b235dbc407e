use proptest::prelude::*;

use super::*;

fn allowed(body: &str, agent: &str, url: &str) -> bool {
    Rules::parse(body.as_bytes(), agent).decide(url).allowed
}

const SITE: &str = "http://foo.bar";

fn path_allowed(body: &str, path: &str) -> bool {
    allowed(body, "FooBot", &format!("{SITE}{path}"))
}

#[test]
fn only_lines_with_known_keys_in_a_group_are_rules() {
    assert!(!path_allowed("user-agent: FooBot\ndisallow: /\n", "/x/y"));
    assert!(path_allowed("foo: FooBot\nbar: /\n", "/x/y"));
    assert!(path_allowed("disallow: /\nuser-agent: FooBot\nallow: /\n", "/x/y"), "a rule before any group is nobody's");
    assert!(path_allowed("", "/x"));
}

#[test]
fn groups_that_name_the_agent_are_merged_and_the_star_is_for_the_others() {
    let body = "User-agent: FooBot\nDisallow: /a\n\nUser-agent: *\nDisallow: /\n\nUser-agent: BarBot\nUser-agent: foobot\nDisallow: /b\n";
    for (path, expected) in [("/a", false), ("/b", false), ("/c", true)] {
        assert_eq!(path_allowed(body, path), expected, "{path}");
    }
    assert!(!allowed(body, "QuxBot", "http://foo.bar/c"));
    // A group of ours without rules frees us of the group for all.
    assert!(!path_allowed("User-agent: FooBot\n\nUser-agent: *\nDisallow: /\n", "/x"), "two agents of one group");
    assert!(path_allowed("User-agent: FooBot\nDisallow:\n\nUser-agent: *\nDisallow: /\n", "/x"));
}

#[test]
fn a_crawl_delay_or_a_sitemap_does_not_end_a_group() {
    let body = "User-agent: FooBot\nCrawl-delay: 2.5\nUser-agent: BarBot\nSitemap: /s.xml\nDisallow: /a\n";
    assert!(!path_allowed(body, "/a"));
    assert!(!allowed(body, "BarBot", "http://foo.bar/a"));
    assert_eq!(Rules::parse(body.as_bytes(), "FooBot").crawl_delay(), Some(Duration::from_millis(2500)));
}

#[test]
fn crawl_delays_that_make_no_sense_are_left_out_and_long_ones_are_not_cut() {
    for (value, expected) in
        [("0", None), ("-1", None), ("soon", None), ("NaN", None), ("90", Some(90)), ("86400", Some(86_400))]
    {
        let body = format!("User-agent: *\nCrawl-delay: {value}\n");
        let delay = Rules::parse(body.as_bytes(), "FooBot").crawl_delay();
        assert_eq!(delay, expected.map(Duration::from_secs), "{value}");
    }
    let endless = Rules::parse(b"User-agent: *\nCrawl-delay: 1e30\n", "FooBot").crawl_delay();
    assert_eq!(endless, Some(Duration::MAX));
    let body = "User-agent: *\nCrawl-delay: 9\n\nUser-agent: FooBot\nDisallow:\n";
    assert_eq!(Rules::parse(body.as_bytes(), "FooBot").crawl_delay(), None, "that one is for others");
}

#[test]
fn the_longest_pattern_wins_and_allow_wins_a_tie() {
    for (body, path, expected) in [
        ("disallow: /x/page.html\nallow: /x/\n", "/x/page.html", false),
        ("allow: /x/page.html\ndisallow: /x/\n", "/x/page.html", true),
        ("disallow: \nallow: \n", "/x", true),
        ("disallow: /\nallow: /\n", "/x", true),
        ("disallow: /x\nallow: /x/\n", "/x", false),
        ("disallow: /x\nallow: /x/\n", "/x/", true),
        ("disallow: /x/page.html\nallow: /x/page.html\n", "/x/page.html", true),
        ("allow: /page\ndisallow: /*.html\n", "/page.html", false),
        ("allow: /page\ndisallow: /*.html\n", "/page", true),
        ("allow: /$\ndisallow: /\n", "/", true),
        ("allow: /$\ndisallow: /\n", "/page.html", false),
        ("disallow: /fish*.php\n", "/fishheads/catfish.php?parameters", false),
        ("disallow: /*.php$\n", "/file.php?parameters", true),
        ("disallow: /*.php$\n", "/folder/any.php.file.php", false),
        ("disallow: /a$b\n", "/a$b", false),
        ("disallow: /\nallow: /dir/index.html\n", "/dir/", true),
        ("disallow: /\nallow: /dir/index.html\n", "/dir/other", false),
    ] {
        assert_eq!(path_allowed(&format!("user-agent: FooBot\n{body}"), path), expected, "{body} {path}");
    }
}

#[test]
fn addresses_can_be_matched_as_given_and_patterns_are_escaped() {
    let allowed = |pattern: &str, path: &str| {
        let body = format!("User-agent: FooBot\nDisallow: /\nAllow: {pattern}\n");
        Rules::parse(body.as_bytes(), "FooBot").decide_as_given(&format!("{SITE}{path}")).allowed
    };
    assert!(allowed("/foo/bar/ツ", "/foo/bar/%E3%83%84"));
    assert!(!allowed("/foo/bar/ツ", "/foo/bar/ツ"), "the caller encodes addresses");
    assert!(allowed("/foo/bar/%e3%83%84", "/foo/bar/%E3%83%84"));
    assert!(allowed("/foo/bar?qux=taz&baz=http://foo.bar?tar&par", "/foo/bar?qux=taz&baz=http://foo.bar?tar&par"));
    assert!(!allowed("/foo/bar/%62%61%7A", "/foo/bar/baz"));
}

#[test]
fn all_writings_of_one_address_are_one() {
    for (pattern, path, same) in [
        ("/priv%c3%a9/", "/priv%c3%a9/secret", true),
        ("/priv%C3%A9/", "/priv%c3%a9/secret", true),
        ("/privé/", "/priv%c3%A9/secret", true),
        ("/privé/", "/privé/secret", true),
        ("/%70rivate", "/private", true),
        ("/private", "/%70riv%61te", true),
        ("/a%2Fb", "/a/b", false),
        ("/a%2fb", "/a%2Fb", true),
        ("/a b", "/a%20b", true),
        ("/file-%2A.html", "/file-*.html", true),
        ("/file-%2A.html", "/file-x.html", false),
        ("/file-*.html", "/file-%2A.html", true),
        ("/foo-%24", "/foo-$", true),
        ("/foo$", "/foo$", false),
        ("/a$b", "/a%24b", true),
        ("/100%", "/100%", true),
        ("/%", "/%zz", true),
        ("/%7Euser", "/~user", true),
    ] {
        let body = format!("User-agent: FooBot\nDisallow: {pattern}\n");
        assert_eq!(!path_allowed(&body, path), same, "{pattern} {path}");
    }
}

#[test]
fn forgiving_of_spelling_marks_and_line_ends() {
    for body in [
        "\u{feff}User-agent: FooBot\nDisallow: /x\n",
        "user-agent FooBot\rdisallow /x\r",
        "  USER AGENT : FooBot/2.1 # us\r\n\r\n disalow:/x#y\r\n",
        "User-agent: *  and friends\nDisallow: /x",
    ] {
        assert!(!path_allowed(body, "/x"), "{body:?}");
        assert!(path_allowed(body, "/y"), "{body:?}");
    }
    let decision = Rules::parse(b"User-agent: *\r\n\r\nDisallow: /x\r\n", "FooBot").decide("http://foo.bar/x");
    assert_eq!(decision.rule, Some(("Disallow: /x".into(), 3)));
}

#[test]
fn what_lies_beyond_the_limit_is_not_read_and_half_a_line_neither() {
    let mut body = b"User-agent: *\nDisallow: /a\n".to_vec();
    body.resize(MAX_BYTES - 9, b'#');
    body.extend_from_slice(b"\nDisallow: /public/no\n");
    let rules = Rules::parse(&body, "FooBot");
    assert!(!rules.decide("http://x/a").allowed);
    assert!(rules.decide("http://x/b").allowed);
}

#[test]
fn paths_of_addresses() {
    for (url, path) in [
        ("", "/"),
        ("http://www.example.com", "/"),
        ("http://www.example.com/a/b?c=d#e", "/a/b?c=d"),
        ("http://www.example.com?a=b", "/?a=b"),
        ("http://www.example.com#frag/x", "/"),
        ("//a/b/c", "/b/c"),
        ("example.com/a?b=http://c.d/e", "/a?b=http://c.d/e"),
        ("http://www.example.com/a/b/c/;x", "/a/b/c/;x"),
    ] {
        assert_eq!(path_of(url), path, "{url}");
    }
}

#[test]
fn the_product_token_is_what_robots_txt_calls_us() {
    assert_eq!(product_token("GoodTwin/0.1 (+mailto:a@b.c)"), "GoodTwin");
    assert_eq!(product_token("a_b-C"), "a_b-C");
}

/// The meaning of a pattern, written down naively.
fn matches_naively(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => true,
        [b'$'] => path.is_empty(),
        [b'*', rest @ ..] => (0..=path.len()).any(|n| matches_naively(rest, &path[n..])),
        [byte, rest @ ..] => path.first() == Some(byte) && matches_naively(rest, &path[1..]),
    }
}

proptest! {
    #[test]
    fn patterns_mean_what_they_say(pattern in "/[ab*$/]{0,8}", path in "/[ab$/]{0,8}") {
        prop_assert_eq!(
            matches(pattern.as_bytes(), path.as_bytes()),
            matches_naively(pattern.as_bytes(), path.as_bytes())
        );
    }

    #[test]
    fn an_address_is_found_by_its_own_path(path in "/[ -~é]{0,12}") {
        let url: url::Url = format!("{SITE}{path}").parse().unwrap();
        let body = format!("User-agent: *\nDisallow: {}$\n", url[url::Position::BeforePath..url::Position::AfterQuery].replace('*', "%2A"));
        prop_assert!(!allowed(&body, "FooBot", url.as_str()), "{}", url);
    }

    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..400), url in ".{0,40}") {
        Rules::parse(&body, "FooBot").decide(&url);
    }

    #[test]
    fn an_unrelated_line_changes_nothing(at in 0usize..5, path in "/[ab]{0,3}") {
        let lines = ["User-agent: FooBot", "Disallow: /a", "Allow: /ab", "User-agent: *", "Disallow: /"];
        let mut with = lines.to_vec();
        with.insert(at, "Sitemap: http://foo.bar/a");
        prop_assert_eq!(path_allowed(&lines.join("\n"), &path), path_allowed(&with.join("\n"), &path));
    }
}
