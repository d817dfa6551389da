//! The messages about queries that cannot be answered, or that may mean something else.

use std::collections::BTreeMap;

use core_j1ql::{
    Compiled, EntityTable, Environment, Graph, J1qlError, Kind, PossibleType, Property,
    RelationshipTable, compile,
};

fn graph() -> Graph {
    let entity = |name: &str, classes: &[&str], properties: &[(&str, Kind)]| EntityTable {
        name: name.to_owned(),
        classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        properties: columns(&[
            ("_key", Kind::Text),
            ("_type", Kind::Text),
            ("displayName", Kind::Text),
        ])
        .into_iter()
        .chain(columns(properties))
        .collect(),
        has_history: name != "nexthink_user",
    };
    let relationship = |name: &str, class: &str, from: &str, to: &str| RelationshipTable {
        name: name.to_owned(),
        class: class.to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        properties: columns(&[
            ("_key", Kind::Text),
            ("_type", Kind::Text),
            ("version", Kind::Text),
        ]),
        has_history: true,
    };
    let possible = |name: &str, class: &str, ends: Option<(&str, &str)>| PossibleType {
        name: name.to_owned(),
        classes: vec![class.to_owned()],
        ends: ends.map(|(from, to)| (from.to_owned(), to.to_owned())),
        condition: format!("`queries.{name}` names a query"),
    };
    Graph {
        entities: vec![
            entity(
                "nexthink_device",
                &["Device"],
                &[
                    ("osName", Kind::Text),
                    ("lastSeenOn", Kind::Time),
                    ("memory", Kind::Number),
                    ("fqdn", Kind::TextList),
                ],
            ),
            entity("nexthink_package", &["Application"], &[("version", Kind::Text)]),
            entity("nexthink_user", &["User"], &[]),
        ],
        relationships: vec![
            relationship("installed", "INSTALLED", "nexthink_device", "nexthink_package"),
            relationship("uses", "USES", "nexthink_user", "nexthink_device"),
        ],
        possible: vec![
            possible("nexthink_device", "Device", None),
            possible("nexthink_alert", "Alert", None),
            possible("user_has_package", "HAS", Some(("nexthink_user", "nexthink_package"))),
        ],
    }
}

fn columns(properties: &[(&str, Kind)]) -> Vec<Property> {
    let properties = properties.iter();
    properties.map(|(name, kind)| Property { name: (*name).to_owned(), kind: *kind }).collect()
}

fn compiled(query: &str) -> Result<Compiled, J1qlError> {
    let parameters = BTreeMap::new();
    compile(query, &graph(), Environment { now_ms: 1_772_323_200_000, parameters: &parameters })
}

/// Queries with the place of the fault marked, a part of the message and a part of the help.
const ERRORS: &[(&str, &str, &str)] = &[
    ("FIND «Devise»", "there is no class Devise", "did you mean Device?"),
    ("FIND «device»", "there is no type device", "did you mean Device?"),
    ("FIND «nexthink_devices»", "there is no type", "did you mean nexthink_device?"),
    ("FIND «Router»", "there is no class Router", "the classes are Application, Device, User"),
    (
        "FIND «nexthink_alert»",
        "there is no type nexthink_alert yet",
        "nexthink_alert is made once `queries.nexthink_alert` names a query and a run has read it",
    ),
    ("FIND Device THAT HAS «Alert»", "there is no class Alert yet", "`queries.nexthink_alert`"),
    (
        "FIND User THAT «HAS» Application",
        "there is no relationship HAS between User and Application yet",
        "user_has_package is made once `queries.user_has_package` names a query",
    ),
    (
        "FIND Application THAT !«RELATES» TO User",
        "there is no relationship between Application and User yet",
        "user_has_package is made once",
    ),
    (
        "FIND Application THAT «HAS» >> User",
        "there is no relationship HAS from Application to User",
        "the relationships are",
    ),
    (
        "FIND User THAT «USES» Application",
        "there is no relationship USES between User and Application",
        "the relationships are",
    ),
    (
        "FIND Device THAT «HAS» Application",
        "no relationship HAS between",
        "there is nexthink_device INSTALLED >> nexthink_package",
    ),
    (
        "FIND Device THAT «USES» >> User",
        "no relationship USES from Device to User",
        "nexthink_user USES >> nexthink_device",
    ),
    (
        "FIND Device AS d THAT !«INSTALED» Application RETURN count(d)",
        "no relationship INSTALED between",
        "there is nexthink_device INSTALLED >> nexthink_package",
    ),
    ("FIND Device «HAS» Alert", "found `HAS`", "THAT HAS Alert"),
    ("FIND Device WHERE «name» = 'x'", "does not say whose it is", "Device.name"),
    ("FIND Device AS d WHERE «osName» = 'x'", "does not say whose it is", "d.osName"),
    ("FIND Device AS d RETURN count(«1»)", "count takes a name", "count(d)"),
    ("FIND Device AS d RETURN «COERCE»(d.name)", "there is no function COERCE", "keep their type"),
    ("FIND Device AS d RETURN DISTINCT «name»", "found `name`", "FIND UNIQUE"),
    ("FIND Device AS d RETURN CASE «WHEN» 1", "found `WHEN`", "coalesce"),
    ("FIND Device AS d RETURN count(d) «HAVING» 1", "found `HAVING`", "reads the answer"),
    (
        "FIND Device AS d THAT USES User AS u RETURN d.osName, count(u) AS n WHERE «n» > 2",
        "n is a column of the answer, not a property",
        "SQL, with HAVING",
    ),
    (
        "FIND Device AS d WHERE «os» = 'a' RETURN d.osName AS os",
        "os is a column of the answer",
        "write d.osName in its place",
    ),
    ("FIND Device WITH osName = LAP«-»000002", "expected THAT", "quotes: 'LAP-000002'"),
    ("FIND Device WITH osName = Windows «10»", "expected THAT", "quotes: 'Windows 10'"),
    (
        "FIND Device AS d THAT USES User AS u RETURN d.osName «count»(u)",
        "expected a comma before the next column",
        "separated by commas",
    ),
    ("FIND Device AS d RETURN d.osName AS os «d».memory", "expected a comma", "commas"),
    ("FIND Device «GROUP» BY osName", "found `GROUP`", "groups"),
    (
        "FIND Device WITH osName «IN» ('a')",
        "expected an operator",
        "('Windows 10' OR 'Windows 11')",
    ),
    ("FIND Device WITH osName «LIKE» 'a'", "expected an operator", "~="),
    ("FIND Device WITH osName «IS» undefined", "expected an operator", "= undefined"),
    ("FIND Device WITH osName = ('a'«,» 'b')", "not separated by commas", "('a' OR 'b')"),
    ("FIND Device WITH osName = ('a' OR 'b' «AND» 'c')", "either OR or AND", ""),
    ("FIND Device WITH osName = «'a»", "the text has no end", "closing quote"),
    ("FIND Device AS d «WITH» osName = 'a'", "WITH stands after AS", "condition first"),
    ("FIND Device RETRUN Device.osName", "expected", "did you mean RETURN?"),
    ("FIND Device RETURN «devise».osName", "", ""),
    ("FIND Device AS d RETURN «x.osName»", "nothing is named x", "the names are d"),
    ("FIND Device AS d RETURN «cuont»(d)", "there is no function cuont", "did you mean count?"),
    ("FIND Device AS d RETURN sum(«d.osName»)", "sum needs a number", ""),
    ("FIND Device AS d RETURN sum(«1»)", "sum needs a property", "count(d)"),
    ("FIND Device RETURN avg(«abs(1) + 2»)", "avg needs a property", "count("),
    ("FIND Device AS d RETURN «d» + 1", "d is an entity", "d.displayName"),
    ("FIND Device AS d RETURN count(«count(d)»)", "no meaning", ""),
    ("FIND Device AS d THAT USES User AS «d»", "the name d is given twice", "of its own"),
    (
        "FIND User THAT USES Device THAT USES User RETURN «User.displayName»",
        "stands in the query twice",
        "AS first",
    ),
    (
        "FIND Device AS d THAT !USES User AS u RETURN «u.displayName»",
        "stands in a negated step",
        "",
    ),
    (
        "FIND Device AS d WHERE «osName» = 'a' RETURN d.osName",
        "does not say whose it is",
        "d.osName",
    ),
    ("FIND Device WITH lastSeenOn > date.now - 2 «weeks»", "expected hours, days", "14 days"),
    ("FIND Device WITH lastSeenOn > «date(yesterday)»", "this is no date", "date(2026-01-31)"),
    ("FIND Device WITH memory < «undefined»", "neither greater", "= undefined"),
    ("FIND Device WITH fqdn = «/a/»", "needs a text", "~="),
    ("FIND Device WITH «'a' = 'a'»", "no property", "property = 'value'"),
    ("FIND «#Critical» Device", "smart classes", ""),
    ("FIND Device AS d LIMIT «many»", "a whole number", ""),
    ("FIND Device LIMIT 1 «LIMIT» 2", "twice", ""),
    ("FIND Device AS d RETURN d.osName, «d.osName»", "returned twice", "AS name"),
    ("FIND Device AS d RETURN d.osName ORDER BY «1»", "a value orders nothing", ""),
    ("FIND Device WITH osName = «/(/»", "no regular expression", ""),
    ("FIND Device WITH osName = «/{{x}}/»", "takes no parameter", "~="),
    ("FIND «UNIQUE» Device", "UNIQUE needs a RETURN", ""),
    ("FIND Device (THAT USES User)«»", "expected ?", "is optional"),
    ("FIND Device RETURN TREE ORDER BY «Device.osName»", "a TREE has no order", ""),
    ("FIND UNIQUE Device AS d RETURN d.osName ORDER BY «d.memory»", "not returned", "return it"),
    ("FIND Device WITH osName = «'{{name}}'»", "the parameter name has no value", "--param"),
    ("FIND Device WITH osName = 'a'«;»", "no meaning here", "no semicolon"),
    ("FIND «Endpoint»", "there is no class Endpoint", "write Device"),
    ("FIND «Employee»", "there is no class Employee", "write User"),
    ("FIND User ORDER BY «_createdOn»", "there is no property _createdOn", ""),
    ("FIND Device RETURN «osName»", "nothing is named osName", "write Device.osName"),
    ("FIND Device WITH osName =«=» 'a'", "expected", "write one ="),
    ("FIND Device WITH «!»osName = 'a'", "expected", "THAT !HAS"),
    ("FIND Device WITH «NOT» osName = 'a'", "", "negate the operator"),
    ("FIND Device RETURN count(«*»)", "count(*) is SQL", "count(d)"),
    ("FIND Device «OFFSET» 3", "found `OFFSET`", "SKIP"),
    ("FIND Device LIMIT «99999999999999999999»", "too large", "at most"),
    ("FIND Device SKIP «9223372036854775808»", "too large", "at most"),
    ("FIND Device LIMIT «1.5»", "a whole number", ""),
    ("FIND Device AS d RETURN - «d.osName»", "a calculation needs a number", ""),
    ("SELECT", "", ""),
];

#[test]
fn errors_name_the_place_and_the_way_to_write_it() {
    for (marked, message, help) in ERRORS {
        let query = marked.replace(['«', '»'], "");
        let error = compiled(&query).expect_err(&query);
        let shown = error.render(&query);
        assert!(error.message.contains(message), "{shown}");
        assert!(error.help.clone().unwrap_or_default().contains(help), "{shown}");
        if let Some(start) = marked.find('«') {
            let is_symbol = |text: &str| text.starts_with('#');
            let marked_text = &marked[start + '«'.len_utf8()..marked.find('»').expect("an end")];
            let is_start_only = marked_text.starts_with('\'') || is_symbol(marked_text);
            assert_eq!(error.span.start, start, "{shown}");
            if !marked_text.is_empty() && !is_start_only && !message.is_empty() {
                assert_eq!(&query[error.span.start..error.span.end], marked_text, "{shown}");
            }
        }
    }
}

#[test]
fn warnings_tell_what_may_not_be_meant() {
    let cases = [
        ("FIND Device WITH osname = 'a'", "did you mean osName?"),
        ("FIND Device WITH osName = Windows", "needs quotes"),
        (
            "FIND Device WITH memory = '16'",
            "the property is a number, and a text never equals that",
        ),
        ("FIND Device WITH lastSeenOn > '2026-01-01'", "the property is a time"),
        ("FIND Device WITH memory ~= 1", "has no parts"),
        ("FIND Device WITH fqdn > 'a'", "no order"),
        ("FIND User THAT !INSTALLED Application", "nothing is left out"),
        ("FIND Device WITH osName = \u{201C}a\u{201D}", "curly quote"),
        ("FIND Host", "Host is read as Device"),
        ("FIND Person THAT USES Host", "Person is read as User"),
        ("FIND User WITH _createdOn > date.now", "nothing here has the property _createdOn"),
    ];
    for (query, part) in cases {
        let warnings = compiled(query).expect(query).warnings;
        let found = warnings.iter().find(|warning| warning.message.contains(part));
        let found = found.unwrap_or_else(|| panic!("{query}: {warnings:?}"));
        let is_harmless = part == "curly quote" || part.contains(" is read as ");
        assert_eq!(found.is_mistake, !is_harmless, "{query}");
    }
    let warnings = compiled("FIND Device WITH encrypted = false").expect("valid").warnings;
    let messages: Vec<&str> = warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(messages, ["nothing here has the property encrypted"]);
    assert_eq!(compiled("FIND Device WITH osName = 'a'").expect("valid").warnings, []);
}

#[test]
fn a_query_nested_too_deep_or_too_long_is_refused_and_exhausts_nothing() {
    for count in [65, 30_000] {
        let query =
            format!("FIND Device WITH {}osName = 'a'{}", "(".repeat(count), ")".repeat(count));
        let error = compiled(&query).expect_err("too deep");
        assert!(error.message.contains("nested"), "{}", error.message);
    }
    let sum = format!("FIND Device AS d RETURN {}1", "2^".repeat(30_000));
    assert!(compiled(&sum).is_err());
    let query = format!("FIND Device WITH osName = 'a'{}", " OR osName = 'b'".repeat(500));
    assert!(compiled(&query).expect_err("too many").message.contains("1000 words"));
    let roots = format!("FIND Device AS d RETURN {}2{}", "sqrt(".repeat(60), ")".repeat(60));
    assert!(compiled(&roots).expect_err("too long").message.contains("root"));
    let query = format!("FIND Device WITH osName = '{}'", "a".repeat(70_000));
    assert!(compiled(&query).expect_err("too long").message.contains("longer"));
}

#[test]
fn the_sql_is_plain_to_read() {
    let query = "FIND User AS u THAT USES >> Device WITH osName ^= 'Win' AS d RETURN u.displayName AS who, \
                 count(d) AS devices ORDER BY devices DESC LIMIT 5";
    insta::assert_snapshot!(compiled(query).expect("valid").sql);
}

#[test]
fn history_is_read_only_of_the_types_whose_creation_is_asked_for() {
    let cases: [(&str, &[&str]); 6] = [
        ("FIND Device AS d THAT INSTALLED AS i Application RETURN d.*, i.*", &[]),
        ("FIND Device WITH osName = '_createdOn'", &[]),
        ("FIND Device WITH _createdOn > date.now - 7 days THAT USES User", &["nexthink_device"]),
        ("FIND Device ORDER BY _createdOn", &["nexthink_device"]),
        ("FIND User THAT USES (Device|User) AS x RETURN x._createdOn", &["nexthink_device"]),
        ("FIND Device THAT INSTALLED AS i Application RETURN max(i._createdOn)", &["installed"]),
    ];
    for (query, expected) in cases {
        let history = compiled(query).expect(query).history;
        assert_eq!(history.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{query}");
    }
}

#[test]
fn text_values_cannot_leave_their_quotes() {
    let query = r#"FIND Device WITH osName = "'; DROP TABLE x; --" AS d RETURN d._key AS "a""b""#;
    let error_or_sql = compiled(query);
    // The second text after AS is a syntax error; the value itself is one literal.
    assert!(error_or_sql.is_err());
    let query = r#"FIND Device WITH osName = "'; DROP TABLE x; --" AS d RETURN d._key AS 'a"b'"#;
    let sql = compiled(query).expect("valid").sql;
    assert!(sql.contains("'''; DROP TABLE x; --'"), "{sql}");
    assert!(sql.contains("AS \"a\"\"b\""), "{sql}");
}

#[test]
fn a_query_is_j1ql_if_its_first_word_is_find() {
    for query in ["FIND Device", "  find *", "/* all */ Find User", "\u{200B}FIND Device"] {
        assert!(core_j1ql::is_j1ql(query), "{query}");
    }
    for query in ["select 1", "-- find all\nselect 1", "(select 1)", "findings", ""] {
        assert!(!core_j1ql::is_j1ql(query), "{query}");
    }
}

#[test]
fn six_parts_may_be_optional_and_the_seventh_is_refused() {
    let query = |count: usize| format!("FIND Device{}", " (THAT USES User)?".repeat(count));
    let sql = compiled(&query(6)).expect("six are accepted").sql;
    assert_eq!(
        sql.matches("UNION ALL").count(),
        6,
        "each is a union of the ways with it and without it: {sql}"
    );
    let (seven, place) = (query(7), query(6).len() + 1);
    let error = compiled(&seven).expect_err("the seventh is one too many");
    assert_eq!((error.span.start, error.span.end), (place, place + 1), "{}", error.render(&seven));
    assert!(error.message.contains("at most 6 optional parts"), "{}", error.message);
    assert!(error.help.as_deref().unwrap_or_default().contains("two queries"), "{error:?}");
}

#[test]
fn a_step_is_a_union_of_relationships_and_no_join_has_an_or() {
    for query in [
        "FIND Device THAT RELATES TO *",
        "FIND (Device|User) AS a THAT RELATES TO (Device|Application) AS b RETURN a._key, b._key",
        "FIND Device AS d THAT (USES|INSTALLED) AS r * AS x WHERE d._key = 'a' RETURN r._type, x._key",
        "FIND * (THAT RELATES TO *)? THAT !USES User",
    ] {
        let sql = compiled(query).expect(query).sql;
        let joins = sql.split("\nJOIN ").skip(1).filter_map(|join| join.split(" ON ").nth(1));
        let conditions: Vec<&str> =
            joins.filter_map(|condition| condition.lines().next()).collect();
        assert!(!conditions.is_empty() || sql.contains("UNION ALL"), "{sql}");
        assert!(conditions.iter().all(|condition| !condition.contains(" OR ")), "{sql}");
    }
    let both_ways = compiled("FIND Device THAT RELATES TO *").expect("valid").sql;
    for relationship in ["installed", "uses"] {
        let reads = both_ways.matches(&format!("FROM \"{relationship}\"")).count();
        assert_eq!(reads, 1, "{relationship}: {both_ways}");
    }
}

#[test]
fn words_of_sql_are_refused_with_the_way_of_j1ql() {
    for (query, way) in [
        ("FIND Device AS d RETURN COERCE(d.osName)", "values keep their type"),
        ("FIND Device GROUP BY osName", "groups"),
        ("FIND Device WITH osName IN ('a')", "list of values"),
        ("FIND Device WITH osName LIKE 'a%'", "^= for starts with"),
        ("FIND Device AS d RETURN count(d) HAVING 1", "reads the answer"),
        ("FIND Device AS d RETURN DISTINCT d.osName", "FIND UNIQUE"),
        ("FIND Device AS d RETURN CASE WHEN 1 THEN 2 END", "coalesce"),
    ] {
        let error = compiled(query).expect_err(query);
        assert!(error.help.as_deref().unwrap_or_default().contains(way), "{}", error.render(query));
    }
}
