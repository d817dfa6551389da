//! `[queries]`: the saved queries, an ID each, or a table that also says how the query is exported in
//! parts, or which files are read in its place.

use crate::setting::{Table, text, texts};

/// `[queries]`
pub(super) const QUERIES: Table = Table {
    path: "queries",
    sentence: "The IDs of the saved queries; `nexthink-graph nql` prints the text of each",
    is_optional: false,
    starters: &[],
    settings: &[
        text("queries.*", "ID of the saved query; blank or missing skips its step")
            .otherwise("the step is skipped")
            .example("\"#j1_devices\""),
        text("queries.*.id", "ID of the saved query, where the query is a table")
            .otherwise("required if the query is a table")
            .example("\"#j1_packages\""),
        texts(
            "queries.*.files",
            "CSV files that something else writes, read in place of an export: of each path, or address in a bucket, the \
             newest file; a name may have one `*`",
        )
        .otherwise("the query is exported")
        .example(r#"["exports/devices-*.csv.gz"]"#),
        text(
            "queries.*.partition.query",
            "ID of the query with a parameter, for exports of more rows than Nexthink gives at once",
        )
        .otherwise("the ID of the query itself")
        .example("\"#j1_packages_part\""),
        text("queries.*.partition.parameter", "Name of the parameter, without its `$`")
            .default(r#""p""#)
            .example(r#""uid""#),
        texts("queries.*.partition.values", "Values of the parameter, one for each part, 2 to 256")
            .default(
                r#"["0*", "1*", "2*", "3*", "4*", "5*", "6*", "7*", "8*", "9*", "a*", "b*", "c*", "d*", "e*", "f*"]"#,
            )
            .example(r#"["0*", "1*", "2*", "3*", "4*", "5*", "6*", "7*", "8*", "9*", "a*", "b*", "c*", "d*", "e*", "f*"]"#),
    ],
};
