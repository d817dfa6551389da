//! The meaning of queries: each rule in a table of queries and answers.

use crate::j1ql::estate::{Checked, Estate, estate};

/// Checks answers without their header; the rows in any order unless the query orders them.
async fn check(estate: &Estate, cases: &[(&str, &[&str])]) -> Checked {
    for (query, expected) in cases {
        let mut rows = estate.answer(query, &[]).await?.split_off(1);
        let mut expected: Vec<String> = expected.iter().map(|row| (*row).to_owned()).collect();
        if !query.contains("ORDER BY") {
            rows.sort();
            expected.sort();
        }
        assert_eq!(rows, expected, "{query}");
    }
    Ok(())
}

/// The rest of a query that shows which devices it found.
fn devices(filter: &str) -> String {
    format!("FIND Device WITH {filter} AS d RETURN d._key")
}

async fn check_devices(cases: &[(&str, &[&str])]) -> Checked {
    let estate = estate().await?;
    for (filter, expected) in cases {
        check(&estate, &[(&devices(filter), expected)]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_undefined_property_equals_nothing_and_differs_from_everything() -> Checked {
    check_devices(&[
        ("osName = 'Windows 11'", &["d1"]),
        ("osName != 'Windows 11'", &["d2", "d3"]),
        ("osName = undefined", &["d3"]),
        ("osName != undefined", &["d1", "d2"]),
        ("memory > 16", &["d2"]),
        ("memory <= 16", &["d1"]),
        ("memory != 16", &["d2", "d3"]),
        ("osName !~= 'mac'", &["d1", "d3"]),
    ])
    .await
}

#[tokio::test]
async fn a_list_of_values_holds_for_any_or_all_and_its_negation_for_neither() -> Checked {
    check_devices(&[
        ("osName = ('Windows 11' OR 'macOS 15')", &["d1", "d2"]),
        ("osName != ('Windows 11' OR 'macOS 15')", &["d3"]),
        ("osName ~= ('1' AND 'mac')", &["d2"]),
        ("osName !~= ('1' AND 'mac')", &["d1", "d3"]),
        ("memory = (16 OR 32)", &["d1", "d2"]),
    ])
    .await
}

#[tokio::test]
async fn a_property_with_several_values_holds_if_any_of_them_does() -> Checked {
    check_devices(&[
        ("fqdn = 'dev-1.local'", &["d1"]),
        ("fqdn != 'dev-1.local'", &["d2", "d3"]),
        ("fqdn = ('dev-1.local' AND 'dev-1.acme.example')", &["d1"]),
        ("fqdn ~= 'acme'", &["d1", "d2"]),
        ("fqdn !~= 'acme'", &["d3"]),
        ("fqdn ^= 'dev-1.l'", &["d1"]),
        ("fqdn ^= 'local'", &[]),
        ("fqdn $= '.local'", &["d1"]),
        ("fqdn $= 'dev-1'", &[]),
    ])
    .await
}

#[tokio::test]
async fn text_is_compared_by_case_unless_a_regular_expression_says_otherwise() -> Checked {
    check_devices(&[
        ("osName ^= 'Win'", &["d1"]),
        ("osName ^= 'win'", &[]),
        ("osName $= '15'", &["d2"]),
        ("osName = /^win/i", &["d1"]),
        ("osName = /^win/", &[]),
        ("osName != /^win/i", &["d2", "d3"]),
        ("[tag.Site] = 'Zürich'", &["d1"]),
        ("tag.Site ~= 'ève'", &["d2"]),
    ])
    .await
}

#[tokio::test]
async fn dates_count_from_now_and_may_stand_on_the_left() -> Checked {
    check_devices(&[
        ("lastSeenOn < date.now - 30 days", &["d2"]),
        ("date.now - 30days < lastSeenOn", &["d1"]),
        ("lastSeenOn > date(2026-02)", &["d1"]),
        ("lastSeenOn > date(2026-02-27T23:59:59Z) AND lastSeenOn < date.now", &["d1"]),
        ("lastSeenOn = undefined OR lastSeenOn > 1772000000000", &["d1", "d3"]),
    ])
    .await
}

#[tokio::test]
async fn and_binds_more_tightly_than_or() -> Checked {
    check_devices(&[
        ("osName = undefined OR memory > 1 AND osName ~= 'mac'", &["d2", "d3"]),
        ("(osName = undefined OR memory > 1) AND osName ~= 'mac'", &["d2"]),
    ])
    .await
}

#[tokio::test]
async fn without_return_the_starting_entities_come_each_once() -> Checked {
    let estate = estate().await?;
    let rows = estate.answer("FIND User THAT USES Device ORDER BY displayName", &[]).await?;
    assert_eq!(
        rows,
        [
            "_key,_type,_class,displayName,department,lastSeenOn",
            "u1,nexthink_user,[\"User\"],anna,IT,2026-02-27T00:00:00Z",
            "u2,nexthink_user,[\"User\"],ben,it,2026-02-26T00:00:00Z",
        ]
    );
    let rows = estate.answer("FIND (User|Device) WITH lastSeenOn > date.now - 2 days", &[]).await?;
    assert_eq!(rows[0], "_key,_type,_class,displayName,lastSeenOn");
    assert_eq!(rows.len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_step_goes_both_ways_unless_an_arrow_says_which() -> Checked {
    let estate = estate().await?;
    check(
        &estate,
        &[
            (
                "FIND Device THAT USES User AS u RETURN Device._key, u._key",
                &["d1,u1", "d2,u1", "d2,u2"],
            ),
            (
                "FIND Device AS d THAT USES << User AS u RETURN d._key, u._key",
                &["d1,u1", "d2,u1", "d2,u2"],
            ),
            (
                "FIND User AS u THAT USES >> Device AS d RETURN u._key, d._key",
                &["u1,d1", "u1,d2", "u2,d2"],
            ),
            (
                "FIND Alert AS a THAT HAS * AS x RETURN a._key, x._type",
                &["a1,nexthink_device", "a2,nexthink_device", "a3,nexthink_user"],
            ),
            (
                "FIND Alert AS a THAT RELATES TO (User|Device) AS x RETURN x._key",
                &["d1", "d1", "u2"],
            ),
            (
                "FIND User AS u THAT (HAS|USES) AS r * AS x RETURN r._type, x._key",
                &[
                    "nexthink_user_has_alert,a3",
                    "nexthink_user_uses_device,d1",
                    "nexthink_user_uses_device,d2",
                    "nexthink_user_uses_device,d2",
                ],
            ),
        ],
    )
    .await?;
    let error = estate.answer("FIND Device THAT USES >> User", &[]).await;
    assert!(
        error
            .expect_err("it points the other way")
            .to_string()
            .contains("there is no relationship")
    );
    Ok(())
}

#[tokio::test]
async fn a_negated_step_returns_the_entity_on_its_left() -> Checked {
    let estate = estate().await?;
    check(
        &estate,
        &[
            ("FIND Device AS d THAT !HAS Alert RETURN d._key", &["d2", "d3"]),
            ("FIND Device AS d THAT !HAS Alert WITH severity = 'low' RETURN d._key", &["d2", "d3"]),
            ("FIND Device AS d THAT !HAS Alert WITH severity = 'high' RETURN d._key", &["d1", "d2", "d3"]),
            ("FIND Device AS d THAT !HAS Alert THAT INSTALLED Application AS p RETURN d._key, p._key", &["d2,p1"]),
            ("FIND User AS u THAT USES Device AS d THAT !HAS Alert RETURN u._key, d._key", &["u1,d2", "u2,d2"]),
            ("FIND Application AS p THAT !RELATES TO Device RETURN p._key", &["p3"]),
            // Nothing relates the two, so that nothing is left out.
            ("FIND User AS u THAT !INSTALLED Application RETURN u._key", &["u1", "u2", "u3"]),
        ],
    )
    .await
}

#[tokio::test]
async fn an_optional_part_is_a_union_with_and_without_it() -> Checked {
    let estate = estate().await?;
    check(
        &estate,
        &[
            // Only the paths without the alert can go on.
            ("FIND Device AS d (THAT HAS Alert)? THAT INSTALLED Application AS p RETURN d._key, p._key", &[
                "d1,p1", "d1,p2", "d2,p1",
            ]),
            ("FIND User AS u (THAT HAS Alert AS a)? RETURN u._key, a._key", &[
                "u1,", "u2,", "u3,", "u2,a3",
            ]),
            ("FIND User (THAT USES Device)? AS x THAT HAS Alert AS a RETURN x._key, a._key", &[
                "d1,a1", "d1,a2", "u2,a3",
            ]),
            ("FIND User (THAT USES Device)? AS x THAT HAS Alert AS a WHERE x.department = 'it' RETURN a._key", &[
                "a3",
            ]),
        ],
    )
    .await
}

#[tokio::test]
async fn counts_are_of_distinct_entities_and_sums_take_each_once() -> Checked {
    let estate = estate().await?;
    check(
        &estate,
        &[
            ("FIND User AS u THAT USES Device AS d RETURN u._key ORDER BY count(d) DESC", &["u1", "u2"]),
            ("FIND User AS u THAT USES Device AS d RETURN count(d), count(u), sum(d.memory), avg(d.memory)", &["2,2,48,24.0"]),
            ("FIND User AS u THAT USES Device AS d RETURN u.displayName AS who, count(d) AS n, sum(d.memory) AS gb ORDER BY n DESC", &[
                "anna,2,48", "ben,1,32",
            ]),
            // A device of two users counts once in the sum over all.
            ("FIND User THAT USES Device AS d RETURN sum(d.memory) / count(d)", &["24.0"]),
            ("FIND Device AS d RETURN count(d), count(d.osName), min(d.memory), max(d.displayName)", &["3,2,16,DEV-3"]),
            ("FIND Device AS d RETURN d.osName, count(d)", &[",1", "Windows 11,1", "macOS 15,1"]),
            ("FIND Device WITH memory > 99 AS d RETURN count(d)", &["0"]),
            ("FIND Alert AS a RETURN a.score, count(a), sum(a.score)", &["10,2,20", "2,1,2"]),
            ("FIND Device AS d RETURN d.osName, d.displayName, sum(d.memory), avg(d.memory)", &[
                ",DEV-3,,", "Windows 11,DEV-1,16,16.0", "macOS 15,DEV-2,32,32.0",
            ]),
            // A path without an alert has no value, whatever the default.
            ("FIND Device AS d (THAT HAS Alert AS a)? RETURN count(d), count(a), sum(a.score), sum(coalesce(a.score, 1)), avg(coalesce(a.score, 0))", &["3,2,12,12,6.0"]),
            ("FIND Device AS d (THAT HAS Alert AS a)? RETURN d._key, sum(coalesce(a.score, 1))", &["d1,12", "d2,", "d3,"]),
            // Two of the greatest whole numbers would wrap to -2.
            ("FIND Application AS p RETURN sum(p.size), count(p.size)", &[",3"]),
            ("FIND Application WITH size < 2 AS p RETURN sum(p.size)", &["1"]),
        ],
    )
    .await
}

#[tokio::test]
async fn calculations_return_nothing_where_there_is_no_value() -> Checked {
    let estate = estate().await?;
    check(
        &estate,
        &[
            ("FIND Device AS d RETURN d._key, -d.memory, 1 - -d.memory ^ 2", &["d1,-16.0,257.0", "d2,-32.0,1025.0", "d3,,"]),
            (
                "FIND Device AS d RETURN d._key, d.memory * 9000000000000000000, 0 ^ -1, (0 - d.memory) ^ 0.5, 1 / 0, 0 ^ 2",
                &["d1,1.44e20,,,,0.0", "d2,2.88e20,,,,0.0", "d3,,,,,0.0"],
            ),
            (
                "FIND Device AS d RETURN d._key, merge(d.displayName, d.osName, d.fqdn, d.displayName)",
                &[
                    "d1,[\"DEV-1\",\"Windows 11\",\"dev-1.acme.example\",\"dev-1.local\"]",
                    "d2,[\"DEV-2\",\"macOS 15\",\"dev-2.acme.example\"]",
                    "d3,[\"DEV-3\"]",
                ],
            ),
            ("FIND Device AS d RETURN d._key, d.memory / 3 * 3 + 2 ^ 2 - 1", &["d1,19.0", "d2,35.0", "d3,"]),
            ("FIND Device AS d RETURN (date.now - d.lastSeenOn) / 86400000", &["", "1.0", "40.0"]),
            ("FIND Device AS d RETURN d.memory / 0", &["", "", ""]),
            ("FIND Device AS d RETURN coalesce(d.osName, d.displayName)", &["DEV-3", "Windows 11", "macOS 15"]),
            ("FIND Device AS d RETURN concat(d._key, '/', d.memory)", &["d1/16", "d2/32", "d3/"]),
            ("FIND Device WITH _key = 'd1' AS d RETURN abs(0 - d.memory), sqrt(d.memory), sqrt(-1), round(2.5)", &["16.0,4.0,,3.0"]),
        ],
    )
    .await
}

#[tokio::test]
async fn rows_are_ordered_with_undefined_last_and_cut_where_it_is_said() -> Checked {
    let estate = estate().await?;
    check(
        &estate,
        &[
            ("FIND Device AS d RETURN d._key ORDER BY d.memory DESC", &["d2", "d1", "d3"]),
            ("FIND Device AS d RETURN d._key ORDER BY d.memory", &["d1", "d2", "d3"]),
            ("FIND Device AS d RETURN d._key AS k ORDER BY k DESC SKIP 1 LIMIT 1", &["d2"]),
            (
                "FIND UNIQUE Alert AS a RETURN a.displayName AS n ORDER BY n",
                &["crash", "disk full"],
            ),
        ],
    )
    .await
}

#[tokio::test]
async fn a_condition_on_paths_compares_what_has_a_name() -> Checked {
    let estate = estate().await?;
    check(
        &estate,
        &[
            ("FIND User AS u THAT USES Device AS d WHERE u.lastSeenOn > d.lastSeenOn RETURN u._key, d._key", &["u1,d2", "u2,d2"]),
            ("FIND User AS u THAT USES Device AS d WHERE u.department = 'IT' AND d.memory > 16 RETURN d._key", &["d2"]),
            ("FIND User THAT USES Device AS d WHERE d._key = 'd1'", &["u1,nexthink_user,[\"User\"],anna,IT,2026-02-27T00:00:00Z"]),
        ],
    )
    .await
}

#[tokio::test]
async fn a_parameter_is_a_value_and_never_a_part_of_the_query() -> Checked {
    let estate = estate().await?;
    let query = "FIND Application WITH displayName ~= '{{name}}' AS p RETURN p._key";
    let ask = async |value| estate.answer(query, &[("name", value)]).await;
    assert_eq!(ask("it's").await?[1..], ["p2"]);
    assert_eq!(ask("' OR displayName != '").await?[1..], [""; 0]);
    let query = "FIND Device WITH memory >= ${param.least} AS d RETURN d._key";
    assert_eq!(estate.answer(query, &[("least", "32")]).await?[1..], ["d2"]);
    for parameters in [&[("least", "many")][..], &[]] {
        let error = estate.answer(query, parameters).await.expect_err("no number").to_string();
        assert!(error.contains("least"), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_parameter_that_is_a_time_may_have_each_form_of_a_date() -> Checked {
    let estate = estate().await?;
    let query = "FIND Device WITH lastSeenOn >= ${param.since} AS d RETURN d._key";
    let ms = "1740787200000";
    for since in ["2025", "2025-03", "2025-03-01", "2025-03-01T00:00:00Z", "2025-03-01T08:00", ms] {
        let dated = format!("FIND Device WITH lastSeenOn >= date({since}) AS d RETURN d._key");
        let dated = if since == ms { None } else { Some(estate.answer(&dated, &[]).await?) };
        let answer = estate.answer(query, &[("since", since)]).await?;
        assert!(answer.len() > 1, "{since}: {answer:?}");
        assert!(dated.is_none_or(|dated| dated == answer), "{since}: {answer:?}");
    }
    assert_eq!(estate.answer(query, &[("since", "2999-01-01")]).await?[1..], [""; 0]);
    for wrong in ["yesterday", "2026-02-30", ""] {
        let error = estate.answer(query, &[("since", wrong)]).await;
        let error = error.expect_err("no time").to_string();
        assert!(error.contains("the parameter since has to be a time"), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_text_finds_entities_of_all_types_in_any_case() -> Checked {
    let estate = estate().await?;
    check(&estate, &[("FIND 'EDITOR' AS x RETURN x._key, x._type", &["p1,nexthink_package"])])
        .await?;
    check(&estate, &[("FIND 'dev-1.LOCAL' AS x THAT USES << User AS u RETURN u._key", &["u1"])])
        .await
}

#[tokio::test]
async fn a_tree_has_every_object_of_the_paths_once() -> Checked {
    let estate = estate().await?;
    let rows = estate
        .answer("FIND User WITH displayName = 'anna' THAT USES Device RETURN TREE", &[])
        .await?;
    let names: Vec<_> =
        rows[1..].iter().map(|row| row.split(',').take(2).collect::<Vec<_>>()).collect();
    assert_eq!(
        names,
        [
            ["entity", "d1"],
            ["entity", "d2"],
            ["entity", "u1"],
            ["relationship", "u1|uses|d1"],
            ["relationship", "u1|uses|d2"],
        ]
    );
    Ok(())
}

#[tokio::test]
async fn a_limit_of_a_tree_is_one_of_the_entities_that_it_starts_from() -> Checked {
    let estate = estate().await?;
    let objects = async |text: &str| -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let rows = estate.answer(text, &[]).await?;
        let key = |row: &String| row.split(',').nth(1).map(str::to_owned);
        Ok(rows[1..].iter().filter_map(key).collect())
    };
    let anna = ["d1", "d2", "u1", "u1|uses|d1", "u1|uses|d2"];
    let users = "FIND User THAT USES Device RETURN TREE";
    assert_eq!(objects(&format!("{users} LIMIT 1")).await?, anna);
    let whole = objects(users).await?;
    let rest = objects(&format!("{users} SKIP 1")).await?;
    assert!(rest.iter().all(|key| !key.starts_with("u1")), "{rest:?}");
    let both: std::collections::BTreeSet<_> =
        anna.map(str::to_owned).into_iter().chain(rest).collect();
    assert_eq!(both, whole.into_iter().collect());
    assert_eq!(objects(&format!("{users} LIMIT 0")).await?, [""; 0]);
    let named = "FIND User AS u THAT USES Device WHERE u.displayName = 'anna' OR u.displayName = 'x' RETURN TREE LIMIT 9";
    assert_eq!(objects(named).await?, anna);
    Ok(())
}
