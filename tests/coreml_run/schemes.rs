//! Which schemes are run, by the operator set that they need.

/// What every target from iOS16 on can express.
const OLD: &[&str] = &[
    "int8 per-tensor symmetric",
    "int8 per-channel symmetric",
    "int8 per-channel symmetric-no-clipping",
    "int8 per-tensor asymmetric",
    "int8 per-channel asymmetric",
    "uint8 per-tensor symmetric",
    "uint8 per-channel symmetric",
    "uint8 per-channel asymmetric",
    "int8 per-channel by mse",
    "int8 per-channel(1)",
    "lut1",
    "lut2",
    "lut4",
    "lut5",
    "lut6",
    "lut7",
    "lut8",
    "lut4 fit uniform",
    "sparse 50%",
    "sparse 90%",
    "sparse-below 0.02",
];

/// What needs iOS18.
const NEW: &[&str] = &[
    "int4 per-tensor symmetric",
    "int4 per-channel symmetric",
    "int4 per-channel asymmetric",
    "int4 per-group(16) symmetric",
    "int4 per-group(16) symmetric-no-clipping",
    "int4 per-group(16) asymmetric",
    "int4 per-group(16) by mse",
    "int4 per-group(16) by hqq",
    "uint4 per-channel symmetric",
    "uint4 per-group(16) symmetric",
    "uint4 per-group(16) asymmetric",
    "int8 per-group(16) symmetric",
    "uint8 per-group(16) asymmetric",
    "lut3",
    "lut1 per-grouped-channel(8)",
    "lut3 per-grouped-channel(8)",
    "lut4 per-grouped-channel(8)",
    "lut4 per-channel",
    "lut5 per-grouped-channel(8)",
    "lut8 per-grouped-channel(16)",
    "lut3 vector(2)",
    "lut4 vector(4) per-grouped-channel(8)",
    "lut2 entries int8",
    "lut4 entries int8",
    "lut4 entries int8 per-grouped-channel(8)",
    "lut6 vector(2) entries int8",
    "lut4 scaled",
    "lut4 scaled per-grouped-channel(8)",
    "lut4 entries int8 scaled",
    "int8 per-channel symmetric sparse 50%",
    "int4 per-channel symmetric sparse 50%",
    "int4 per-group(16) asymmetric sparse 50%",
    "uint8 per-channel asymmetric sparse-below 0.02",
    "lut1 sparse 50%",
    "lut3 sparse 50%",
    "lut4 sparse 75%",
    "lut4 per-grouped-channel(8) sparse 50%",
    "lut6 entries int8 sparse 50%",
    "lut4 entries int8 scaled sparse 50%",
    "lut4 scaled sparse 50%",
    "lut4 vector(2) sparse 50%",
];

/// Structured zeros and blocks of all axes: linear layers only, whose weights have rank 2.
const OF_LINEAR: &[(&str, &str)] = &[
    ("iOS16", "sparse 2:4"),
    ("iOS17", "sparse 1:2"),
    ("iOS18", "int8 per-channel sparse 2:4"),
    ("iOS18", "int4 per-group(16) sparse 2:4"),
    ("iOS18", "lut4 sparse 2:4"),
    ("iOS18", "int4 block[8, 16]"),
    ("iOS18", "int8 block[-1, 16] asymmetric"),
    ("iOS18", "uint4 block[16, -1] asymmetric"),
    ("iOS18", "lut4 block[8, -1]"),
    ("iOS18", "lut3 block[-1, 8]"),
    ("iOS26", "lut4 block[-1, 16] entries int8"),
];

/// A recipe for every weight, but for those with too few channels for the scheme.
fn all(target: &str, scheme: &str) -> String {
    let mut recipe = format!("target {target}\nthreshold 0\nall => {scheme}\n");
    if scheme.contains("per-group(") {
        recipe += "\"depthwise\" or \"line\" => int8 per-channel\n";
    }
    if scheme.contains("per-grouped-channel(") || scheme.contains("vector(") {
        recipe += "\"{lstm,gru}.initial_*\" => keep\n";
    }
    recipe
}

/// Every recipe: old schemes as each target writes them, new ones for iOS18 and, where that differs, iOS26.
pub fn recipes() -> Vec<String> {
    let mut recipes = Vec::new();
    for scheme in OLD {
        recipes.extend(["iOS16", "iOS17", "iOS18"].map(|target| all(target, scheme)));
    }
    recipes.extend(NEW.iter().map(|scheme| all("iOS18", scheme)));
    recipes.extend(NEW.iter().filter(|scheme| scheme.contains("entries int8")).map(|scheme| all("iOS26", scheme)));
    recipes.extend(["int8", "lut4", "sparse 50%", "int4 per-group(16)"].map(|scheme| all("iOS26", scheme)));
    let linear = |(target, scheme): &(&str, &str)| format!("target {target}\nthreshold 0\nlinear => {scheme}\n");
    recipes.extend(OF_LINEAR.iter().map(linear));
    recipes.push("target iOS18\nthreshold 0\nconv2d => int4 block[8, 16, -1, -1]\n\"depthwise\" => keep\n".to_string());
    recipes
}

/// Recipes for the other small packages.
pub fn few(package: &str) -> Vec<String> {
    let schemes: &[(&str, &str)] = match package {
        "floats" => &[
            ("iOS16", "fp16"),
            ("iOS18", "fp16"),
            ("iOS16", "int8"),
            ("iOS17", "lut4"),
            ("iOS17", "sparse 50%"),
            ("iOS18", "int8 per-channel asymmetric"),
            ("iOS18", "int4 per-group(16)"),
            ("iOS18", "lut4 per-grouped-channel(8)"),
            ("iOS18", "lut6 entries int8 scaled"),
            ("iOS18", "int8 per-channel sparse 50%"),
            ("iOS18", "lut4 sparse 50%"),
            ("iOS26", "lut4 entries int8"),
        ],
        "functions" => &[("iOS18", "int4 per-group(16)"), ("iOS18", "lut4 sparse 50%"), ("iOS26", "lut3 vector(2)")],
        _ => &[
            ("iOS16", "int8"),
            ("iOS17", "lut6"),
            ("iOS17", "sparse 75%"),
            ("iOS18", "int4 per-group(16) asymmetric"),
            ("iOS18", "lut4 scaled sparse 50%"),
            ("iOS26", "lut4 entries int8 scaled"),
        ],
    };
    schemes.iter().map(|(target, scheme)| format!("target {target}\nthreshold 0\nall => {scheme}\n")).collect()
}

/// Recipes for the models that ship with the repository, and how many weights they change.
pub fn examples() -> Vec<(&'static str, &'static str, usize)> {
    vec![
        ("digits.mlpackage", "target iOS16\nall => int8\n", 3),
        ("digits.mlpackage", "target iOS18\nconv => lut4 sparse 50%\nlinear => int4 per-group(32)\n", 3),
        ("bytes-lm.mlpackage", "target iOS18\nlinear => int4 per-group(32)\nembedding => int8\n", 30),
        ("bytes-lm.mlpackage", "target iOS26\nlinear => lut3 per-grouped-channel(16) entries int8\n", 29),
    ]
}
