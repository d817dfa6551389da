//! Saved questions in a session that withholds some of their columns.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use core_query::questions::{Question, Questions};
use core_query::{ColumnView, QuerySession, QuerySettings, Withholding};

use crate::support::{Checked, Place, entity, text};

/// Users and alerts whose names are withheld, in a session that withholds them and in one that does not.
async fn sessions() -> Result<(Place, [QuerySession; 2]), Box<dyn std::error::Error>> {
    let place = Place::new()?;
    let users = RecordBatch::try_from_iter([
        (
            "_key",
            text(&[Some("nexthink_user:1"), Some("nexthink_user:2"), Some("nexthink_user:3")]),
        ),
        ("name", text(&[Some("Jane"), Some("Jane"), None])),
        ("department", text(&[Some("Sales"), None, Some("Sales")])),
        ("userType", text(&[Some("local"), Some("domain"), Some("local")])),
    ])?;
    let generation = place.publish(vec![entity("nexthink_user", &["User"], users)])?;
    let open = async |withholding: Option<Withholding>| {
        let mut session = QuerySession::empty(QuerySettings::default())?;
        if let Some(withholding) = withholding {
            session = session.withholding(withholding);
        }
        session.add_generation(&generation).await?;
        Ok::<_, Box<dyn std::error::Error>>(session)
    };
    let rule = |_: &str, column: &str| match column {
        "userType" => ColumnView::Stored,
        _ => ColumnView::Withheld,
    };
    let reduced = open(Some(Withholding::new(rule, "set it"))).await?;
    Ok((place, [reduced, open(None).await?]))
}

fn question(query: &str) -> Question {
    let language = if query.starts_with("FIND") { "j1ql" } else { "sql" };
    let file = tempfile::tempdir().expect("a folder");
    let text = format!(
        "[[question]]\nid = \"q\"\ntitle = \"Q\"\nlanguage = \"{language}\"\nquery = \"\"\"{query}\"\"\"\n"
    );
    std::fs::write(file.path().join("q.toml"), text).expect("a file can be written");
    let questions = Questions::load(file.path()).expect("valid");
    questions.find("q").expect("it is there").clone()
}

/// A question, the columns of its answer, those that are left out, and the number of rows.
const ANSWERED: [(&str, &str, &str, usize); 12] = [
    (
        "select u.name, u.userType from nexthink_user u order by u.name, u._key",
        "userKey userType",
        "name",
        3,
    ),
    (
        "select u.name as n, u.department as d, u.userType from nexthink_user u order by n",
        "userKey userType",
        "n d",
        3,
    ),
    ("select name, userType from nexthink_user", "key userType", "name", 3),
    ("select upper(u.name) as n, u.userType from nexthink_user u", "userType", "n", 3),
    ("select u._key, u.name from nexthink_user u", "_key", "name", 3),
    (
        "select u.name, count(*) as c from nexthink_user u group by u._key, u.name order by c, u.name",
        "c",
        "name",
        3,
    ),
    ("select count(*) as c, max(u.name) as last from nexthink_user u", "c", "last", 1),
    ("select u.userType, count(*) as c from nexthink_user u group by 1", "userType c", "", 2),
    (
        "FIND User AS u RETURN u.name AS n, u.department, u.userType AS t ORDER BY n",
        "uKey t",
        "n u.department",
        3,
    ),
    (
        "FIND nexthink_user RETURN nexthink_user.name, nexthink_user.userType ORDER BY nexthink_user.name",
        "userKey nexthink_user.userType",
        "nexthink_user.name",
        3,
    ),
    (
        "FIND User AS u RETURN u._key AS k, u.name AS n, count(u) AS c ORDER BY u.name",
        "k c",
        "n",
        3,
    ),
    (
        "FIND User WITH userType = 'local' AS u RETURN concat(u.name, u.userType) AS n",
        "uKey",
        "n",
        2,
    ),
];

/// Questions that need what is withheld.
const REFUSED: [&str; 15] = [
    "FIND User AS u RETURN u.userType AS t, count(u.name) AS c",
    "select u.userType from nexthink_user u where u.name = 'Jane'",
    "select u.name from nexthink_user u where u.name is not null",
    "select u.department, count(*) as c from nexthink_user u group by u.department",
    "select u.name, u.userType from nexthink_user u order by 1",
    "select u.userType from nexthink_user u group by u.userType having max(u.name) > 'J'",
    "select a.userType from nexthink_user a join nexthink_user b on a.name = b.name",
    "select s.n from (select name as n from nexthink_user) s",
    "select name from nexthink_user union select userType from nexthink_user",
    "with s as (select name from nexthink_user) select count(*) from s",
    "select max(u.name) from nexthink_user u",
    "FIND User WITH name = 'Jane' AS u RETURN u.userType",
    "FIND User AS u WHERE u.name = 'Jane' RETURN u.userType",
    "FIND User AS u RETURN u.department, count(u)",
    "FIND User AS u RETURN count(u.name)",
];

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_left_out_of_what_is_shown_and_never_of_what_decides() -> Checked {
    let (_place, [session, full]) = sessions().await?;
    let nothing = BTreeMap::new();
    for (query, columns, left_out, rows) in ANSWERED {
        let question = question(query);
        let answer =
            session.ask(&question, &nothing, 0).map_err(|error| format!("{query}: {error}"))?;
        let schema = answer.schema();
        let shown: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(shown.join(" "), columns, "{query}");
        assert_eq!(answer.left_out().join(" "), left_out, "{query}");
        let batches = answer.collect().await?;
        let number: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(number, rows, "{query}");
        assert_eq!(session.unavailability(&question, 0), None, "{query}");
        let whole = full.ask(&question, &nothing, 0)?;
        assert!(whole.left_out().is_empty());
        let number: usize = whole.collect().await?.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(number, rows, "{query}");
    }
    for query in REFUSED {
        let question = question(query);
        let Err(error) = session.ask(&question, &nothing, 0) else { return Err(query.into()) };
        let error = error.to_string();
        assert!(error.contains("withheld here") && error.contains("set it"), "{query}: {error}");
        assert!(session.unavailability(&question, 0).is_some(), "{query}");
    }
    Ok(())
}
