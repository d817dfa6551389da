//! The spelling of queries: case, names, what is pasted, and how many rows it may have.

use std::collections::BTreeMap;

use core_j1ql::Environment;

use crate::j1ql::estate::{Checked, Estate, NOW_MS, entities, estate, text};

/// Returns the rows of an answer without their header.
async fn rows(estate: &Estate, query: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    Ok(estate.answer(query, &[]).await?.split_off(1))
}

#[tokio::test]
async fn keywords_verbs_and_functions_may_be_in_any_case() -> Checked {
    let estate = estate().await?;
    let expected = ["anna,2", "ben,1"];
    for query in [
        "FIND User AS u THAT USES Device AS d RETURN u.displayName, COUNT(d) ORDER BY u.displayName",
        "find User as u that uses Device as d return u.displayName, count(d) order by u.displayName asc",
        "Find User As u That Uses To Device As d Return u.displayName, Count(d) Order By u.displayName Skip 0 Limit 9",
        "fInD User aS u tHaT (hAs|uSeS) Device aS d rEtUrN u.displayName, cOuNt(d) oRdEr bY u.displayName",
        "find User with displayName != Undefined as u that relates to Device as d where d._key != 'x' or d.memory = 1 \
         return u.displayName, count(d) order by u.displayName",
    ] {
        assert_eq!(rows(&estate, query).await?, expected, "{query}");
    }
    Ok(())
}

#[tokio::test]
async fn a_class_is_in_title_case_a_type_in_snake_case_and_neither_in_another_case() -> Checked {
    let estate = estate().await?;
    for name in ["Device", "nexthink_device"] {
        assert_eq!(rows(&estate, &format!("FIND {name} AS d RETURN d._key")).await?.len(), 3);
    }
    for (name, similar) in [
        ("device", "did you mean Device?"),
        ("DEVICE", "did you mean Device?"),
        ("Nexthink_Device", "did you mean nexthink_device?"),
        ("NEXTHINK_DEVICE", "did you mean nexthink_device?"),
    ] {
        let error = rows(&estate, &format!("FIND {name}")).await.expect_err(name).to_string();
        assert!(error.contains("there is no") && error.contains(similar), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_name_may_be_tree() -> Checked {
    let estate = estate().await?;
    let query = "FIND Device AS tree RETURN tree.displayName, tree.memory";
    assert_eq!(rows(&estate, query).await?, ["DEV-1,16", "DEV-2,32", "DEV-3,"]);
    assert_eq!(rows(&estate, "FIND Device AS tree RETURN tree").await?.len(), 3);
    Ok(())
}

#[tokio::test]
async fn an_entity_without_a_name_is_called_by_its_class_or_type() -> Checked {
    let estate = estate().await?;
    let pairs = ["u1,d1", "u1,d2", "u2,d2"];
    for query in [
        "FIND User THAT USES Device RETURN User._key, Device._key ORDER BY User._key, Device._key",
        "FIND nexthink_user THAT USES nexthink_device RETURN nexthink_user._key, nexthink_device._key \
         ORDER BY nexthink_user._key, nexthink_device._key",
    ] {
        assert_eq!(rows(&estate, query).await?, pairs, "{query}");
    }
    let twice = "FIND Device THAT USES User THAT USES Device";
    assert_eq!(rows(&estate, twice).await?.len(), 2, "neither of the two is preferred");
    let error = rows(&estate, &format!("{twice} RETURN Device._key")).await.expect_err("either");
    assert!(error.to_string().contains("AS first"), "{error}");
    Ok(())
}

#[tokio::test]
async fn with_return_there_is_a_row_for_each_path_and_plain_selectors_group() -> Checked {
    let estate = estate().await?;
    let paths = "FIND User AS u THAT USES Device AS d THAT INSTALLED Application AS p";
    let devices = format!("{paths} RETURN d._key ORDER BY d._key");
    assert_eq!(rows(&estate, &devices).await?, ["d1", "d1", "d2", "d2"]);
    let grouped = format!("{paths} RETURN u._key, d.osName, count(p) ORDER BY u._key, d.osName");
    let expected = ["u1,Windows 11,2", "u1,macOS 15,1", "u2,macOS 15,1"];
    assert_eq!(rows(&estate, &grouped).await?, expected);
    let calculated =
        format!("{paths} RETURN concat(u._key, '/', d._key) AS k, count(p) ORDER BY k");
    assert_eq!(rows(&estate, &calculated).await?, ["u1/d1,2", "u1/d2,1", "u2/d2,1"]);
    Ok(())
}

#[tokio::test]
async fn nothing_is_cut_without_limit() -> Checked {
    let keys: Vec<String> = (0..1_000).map(|number| format!("d{number:04}")).collect();
    let keys: Vec<Option<&str>> = keys.iter().map(|key| Some(key.as_str())).collect();
    let table = entities("nexthink_device", &["Device"], vec![("_key", text(&keys))])?;
    let estate = Estate::publish(vec![table]).await?;
    for query in ["FIND Device", "FIND Device AS d RETURN d._key", "FIND Device RETURN TREE"] {
        assert_eq!(rows(&estate, query).await?.len(), 1_000, "{query}");
    }
    let part =
        rows(&estate, "FIND Device AS d RETURN d._key ORDER BY d._key SKIP 998 LIMIT 9").await?;
    assert_eq!(part, ["d0998", "d0999"]);
    Ok(())
}

#[tokio::test]
async fn a_pasted_query_is_read_with_a_note() -> Checked {
    let estate = estate().await?;
    let parameters = BTreeMap::new();
    for (query, note) in [
        (
            "\u{200B}FIND Device WITH osName\u{200B} = 'Windows 11'\u{FEFF}",
            "an invisible character",
        ),
        ("FIND Device WITH osName = \u{201C}Windows 11\u{201D}", "a curly quote"),
        ("FIND Device WITH osName = \u{2018}Windows 11\u{2019}", "a curly quote"),
    ] {
        let first = rows(&estate, query).await?;
        assert_eq!(first.len(), 1, "{query:?}: {first:?}");
        let environment = Environment { now_ms: NOW_MS, parameters: &parameters };
        let warnings = estate.session.compile_j1ql(query, environment)?.warnings;
        assert!(warnings.iter().any(|warning| warning.message.starts_with(note)), "{warnings:?}");
    }
    // Within a value they are characters like others.
    let query = "FIND Device WITH osName = 'Windows\u{200B} 11'";
    assert_eq!(rows(&estate, query).await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_tag_is_a_property_with_or_without_brackets() -> Checked {
    let estate = estate().await?;
    for query in [
        "FIND Device WITH tag.Site = 'Zürich' AS d RETURN d.tag.Site",
        "FIND Device WITH [tag.Site] = 'Zürich' AS d RETURN d.[tag.Site]",
        "FIND Device AS d WHERE d.tag.Site ^= 'Zür' RETURN d.tag.Site",
    ] {
        assert_eq!(rows(&estate, query).await?, ["Zürich"], "{query}");
    }
    Ok(())
}

#[tokio::test]
async fn what_jupiterone_calls_host_and_person_is_found() -> Checked {
    let estate = estate().await?;
    let query =
        "FIND Person AS p THAT USES Host AS h RETURN p._key, h._key ORDER BY p._key, h._key";
    assert_eq!(rows(&estate, query).await?, ["u1,d1", "u1,d2", "u2,d2"]);
    let error = rows(&estate, "FIND Router").await.expect_err("no step declares the class");
    assert!(error.to_string().contains("the classes are Alert, Application, Device"), "{error}");
    Ok(())
}
