//! Texts of many statements, and the statements that a session answers itself.

use proptest::prelude::*;

use super::*;

#[test]
fn statements_end_at_semicolons_that_are_no_text() {
    for (text, expected) in [
        ("select 1", &["select 1"][..]),
        ("select 1; select 2;", &["select 1", " select 2", ""]),
        ("select ';', \"a;b\", $$;$$, E'\\';'; b", &["select ';', \"a;b\", $$;$$, E'\\';'", " b"]),
        (
            "select 'ä;ö'; /* ; /* ; */ */ x -- ;\n; y",
            &["select 'ä;ö'", " /* ; /* ; */ */ x -- ;\n", " y"],
        ),
        ("select 'open; text", &["select 'open; text"]),
    ] {
        let statements = split(text);
        let texts: Vec<&str> = statements.iter().map(|statement| &*statement.text).collect();
        assert_eq!(texts, expected);
        for statement in &statements {
            let before = statement.before.expect("it is a part of the text");
            let rest: String = text.chars().skip(before).collect();
            assert!(rest.starts_with(&statement.text), "{text}: {statement:?}");
        }
    }
}

#[test]
fn the_session_answers_what_is_no_query() {
    let fetch = |count| Command::Fetch { cursor: "c".to_owned(), count };
    for (text, expected) in [
        ("", Command::Empty),
        (" -- nothing\n", Command::Empty),
        ("select 1", Command::Query),
        ("(select 1)", Command::Query),
        ("explain select 1", Command::Query),
        ("delete from nexthink_device", Command::Query),
        ("BEGIN READ ONLY", Command::Begin),
        ("start transaction isolation level serializable", Command::Begin),
        ("COMMIT", Command::Commit),
        ("ROLLBACK", Command::Rollback),
        ("rollback to savepoint a", Command::RollbackTo),
        ("savepoint a", Command::Savepoint("SAVEPOINT")),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", Command::SetTransaction),
        ("set transaction read only", Command::SetTransaction),
        ("set role admin", Command::Unsupported("SET ROLE".to_owned())),
        ("show server_version", Command::Show("server_version".to_owned())),
        ("show time zone", Command::Show("TimeZone".to_owned())),
        ("show transaction isolation level", Command::Show("transaction_isolation".to_owned())),
        ("show tables", Command::Query),
        ("reset all", Command::Reset(None)),
        ("DISCARD ALL", Command::DiscardAll),
        ("discard temp", Command::Discard),
        ("DEALLOCATE ALL", Command::Deallocate(None)),
        ("deallocate prepare S_1", Command::Deallocate(Some("s_1".to_owned()))),
        ("deallocate \"S_1\"", Command::Deallocate(Some("S_1".to_owned()))),
        ("unlisten *", Command::Unlisten),
        ("fetch c", fetch(Some(1))),
        ("fetch next from c", fetch(Some(1))),
        ("FETCH FORWARD 100 FROM \"c\"", fetch(Some(100))),
        ("fetch forward all in c", fetch(None)),
        ("fetch 5 c", fetch(Some(5))),
        ("move all c", Command::Unsupported("MOVE".to_owned())),
        (
            "fetch backward 5 from c",
            Command::Unsupported("FETCH in another direction than forward".to_owned()),
        ),
        ("close all", Command::Close(None)),
        ("close c", Command::Close(Some("c".to_owned()))),
        ("prepare p as select 1", Command::Unsupported("PREPARE".to_owned())),
    ] {
        assert_eq!(Command::parse(text), expected, "{text}");
    }
    let declared =
        Command::parse("DECLARE c BINARY NO SCROLL CURSOR WITHOUT HOLD FOR SELECT 1 -- for");
    let query = "SELECT 1 -- for".to_owned();
    assert_eq!(declared, Command::Declare { cursor: "c".to_owned(), query, is_held: false });
    let declared = Command::parse("declare \"C\" cursor with hold for values (1)");
    let query = "values (1)".to_owned();
    assert_eq!(declared, Command::Declare { cursor: "C".to_owned(), query, is_held: true });
}

#[test]
fn a_setting_is_set_by_a_statement_or_by_a_query_of_nothing_else() {
    let (is_local, is_session) = (true, false);
    let set_as = |name: &str, value: &str, is_local| Command::Set {
        name: name.to_owned(),
        value: value.to_owned(),
        is_local,
    };
    let set = |name: &str, value: &str| set_as(name, value, is_session);
    let set_config = |name: &str, value: &str, is_local| Command::SetConfig {
        name: name.to_owned(),
        value: value.to_owned(),
        is_local,
    };
    for (text, expected) in [
        ("set extra_float_digits = 3", set("extra_float_digits", "3")),
        ("SET SESSION statement_timeout TO '2s'", set("statement_timeout", "2s")),
        (
            "set local search_path to public, pg_catalog",
            set_as("search_path", "public, pg_catalog", is_local),
        ),
        ("select set_config('jit', 'off', false)", set_config("jit", "off", is_session)),
        (
            "SELECT pg_catalog.set_config('search_path', '', TRUE);",
            set_config("search_path", "", is_local),
        ),
        ("select set_config('jit', 'off', false) from pg_settings", Command::Query),
        ("select set_config('jit', $1, false)", Command::Query),
        ("set time zone 'UTC'", set("TimeZone", "UTC")),
        ("set names 'utf8'", set("client_encoding", "utf8")),
    ] {
        assert_eq!(Command::parse(text), expected, "{text}");
    }
}

#[test]
fn copies_go_out_in_the_forms_that_psql_asks_for() {
    let copy = |query: &str, is_csv, delimiter, has_header, null: &str| Command::Copy {
        query: query.to_owned(),
        format: CopyFormat { is_csv, delimiter, has_header, null: null.to_owned() },
    };
    for (text, expected) in [
        ("COPY  ( select (1) ) TO STDOUT csv header", copy(" select (1) ", true, ',', true, "")),
        (
            "copy nexthink_device to stdout",
            copy("select * from nexthink_device", false, '\t', false, "\\N"),
        ),
        (
            "copy public.\"t\" (_key, name) to stdout with (format csv, delimiter ';', header false, null 'x')",
            copy("select _key, name from public.\"t\"", true, ';', false, "x"),
        ),
        ("copy (select 1) to stdout with null as 'n'", copy("select 1", false, '\t', false, "n")),
    ] {
        assert_eq!(Command::parse(text), expected, "{text}");
    }
    for text in [
        "copy t from stdin",
        "copy t to '/etc/passwd'",
        "copy (select 1) to stdout (format binary)",
        "copy (",
    ] {
        assert_eq!(
            Command::parse(text),
            Command::Unsupported("COPY other than TO STDOUT".to_owned()),
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn no_text_is_a_defect_and_nothing_of_it_is_lost(text in "[;'\"$/*a-c \n\\-E1ä(,]{0,40}") {
        let statements = split(&text);
        let texts: Vec<String> = statements.into_iter().map(|statement| statement.text).collect();
        prop_assert_eq!(texts.join(";"), text.clone());
        let _ = Command::parse(&text);
    }

    #[test]
    fn no_words_are_a_defect(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "copy", "(", ")", "to", "stdout", "with", "fetch", "forward", "from", "c", "5", "declare", "cursor",
                "for", "set", "session", "=", ",", "'x'", "show", "time", "deallocate", "all", "\"q\"", ".",
            ]),
            0..10,
        ),
    ) {
        let _ = Command::parse(&words.join(" "));
    }
}
