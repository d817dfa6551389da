//! The types that the catalog knows.

/// A type: its number, its names in the catalog and in SQL, its length, its category, its array, and its kind.
pub(super) struct Type {
    pub(super) oid: u32,
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
    pub(super) length: i16,
    pub(super) category: &'static str,
    pub(super) array: u32,
    /// `b` a type of values, `p` one without.
    pub(super) kind: &'static str,
}

const fn base(
    oid: u32,
    name: &'static str,
    sql: &'static str,
    length: i16,
    category: &'static str,
    array: u32,
) -> Type {
    Type { oid, name, sql, length, category, array, kind: "b" }
}

const fn pseudo(oid: u32, name: &'static str) -> Type {
    Type { oid, name, sql: name, length: 4, category: "P", array: 0, kind: "p" }
}

/// The types but their arrays, by their numbers in Postgres.
pub(super) const TYPES: [Type; 35] = [
    base(16, "bool", "boolean", 1, "B", 1000),
    base(17, "bytea", "bytea", -1, "U", 1001),
    base(18, "char", "\"char\"", 1, "Z", 1002),
    base(19, "name", "name", 64, "S", 1003),
    base(20, "int8", "bigint", 8, "N", 1016),
    base(21, "int2", "smallint", 2, "N", 1005),
    base(23, "int4", "integer", 4, "N", 1007),
    base(24, "regproc", "regproc", 4, "N", 1008),
    base(25, "text", "text", -1, "S", 1009),
    base(26, "oid", "oid", 4, "N", 1028),
    base(114, "json", "json", -1, "U", 199),
    base(142, "xml", "xml", -1, "U", 143),
    base(700, "float4", "real", 4, "N", 1021),
    base(701, "float8", "double precision", 8, "N", 1022),
    base(790, "money", "money", 8, "N", 791),
    base(869, "inet", "inet", -1, "I", 1041),
    base(1042, "bpchar", "character", -1, "S", 1014),
    base(1043, "varchar", "character varying", -1, "S", 1015),
    base(1082, "date", "date", 4, "D", 1182),
    base(1083, "time", "time without time zone", 8, "D", 1183),
    base(1114, "timestamp", "timestamp without time zone", 8, "D", 1115),
    base(1184, "timestamptz", "timestamp with time zone", 8, "D", 1185),
    base(1186, "interval", "interval", 16, "T", 1187),
    base(1266, "timetz", "time with time zone", 12, "D", 1270),
    base(1700, "numeric", "numeric", -1, "N", 1231),
    base(2205, "regclass", "regclass", 4, "N", 2210),
    base(2206, "regtype", "regtype", 4, "N", 2211),
    base(2950, "uuid", "uuid", 16, "U", 2951),
    base(3802, "jsonb", "jsonb", -1, "U", 3807),
    pseudo(705, "unknown"),
    pseudo(2249, "record"),
    pseudo(2276, "any"),
    pseudo(2277, "anyarray"),
    pseudo(2278, "void"),
    pseudo(2283, "anyelement"),
];

/// Returns the name of a type in SQL.
pub(super) fn sql_name(oid: u32) -> Option<String> {
    TYPES.iter().find_map(|known| match oid {
        oid if oid == known.oid => Some(known.sql.to_owned()),
        oid if oid == known.array && oid != 0 => Some(format!("{}[]", known.sql)),
        _ => None,
    })
}

/// Returns the number of a type by either of its names.
pub(super) fn oid(name: &str) -> Option<u32> {
    let name = name.trim().trim_start_matches("pg_catalog.").to_ascii_lowercase();
    let (name, is_array) = name.strip_suffix("[]").map_or((&*name, false), |name| (name, true));
    let is_array_name = |known: &Type| name.strip_prefix('_') == Some(known.name);
    TYPES.iter().find_map(|known| {
        if known.name == name || known.sql == name {
            Some(if is_array { known.array } else { known.oid })
        } else {
            is_array_name(known).then_some(known.array)
        }
    })
}
