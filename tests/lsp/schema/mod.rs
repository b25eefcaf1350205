//! The types of the Language Server Protocol, and whether a value is of one: strictly, with no key too many, no number
//! out of its range, and no `null` where something should be absent.

mod violations;
mod watch;

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;

pub use watch::Watch;

/// What is wrong with a value, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Keys and indices from the outermost value inwards.
    path: Vec<String>,
    why: String,
}

impl Fault {
    fn new(why: impl Into<String>) -> Fault {
        Fault { path: Vec::new(), why: why.into() }
    }

    fn within(mut self, step: impl ToString) -> Fault {
        self.path.insert(0, step.to_string());
        self
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.join("."), self.why)
    }
}

/// The meta model, by name.
pub struct Schema {
    structures: HashMap<String, Vec<Property>>,
    enumerations: HashMap<String, Vec<Value>>,
    requests: HashMap<String, Value>,
    notifications: HashMap<String, Value>,
}

struct Property {
    name: String,
    kind: Value,
    optional: bool,
}

impl Schema {
    /// That of the specification.
    pub fn get() -> &'static Schema {
        static SCHEMA: OnceLock<Schema> = OnceLock::new();
        SCHEMA.get_or_init(|| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/lsp/metaModel.json.gz");
            let packed = std::fs::File::open(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
            let mut text = String::new();
            flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
            Schema::new(&serde_json::from_str(&text).unwrap())
        })
    }

    fn new(model: &Value) -> Schema {
        let by = |list: &str, key: &str| -> Vec<(String, Value)> {
            let all = model[list].as_array().unwrap_or_else(|| panic!("no {list}"));
            all.iter().map(|one| (one[key].as_str().unwrap().to_string(), one.clone())).collect()
        };
        let property = |one: &Value| Property {
            name: one["name"].as_str().unwrap().to_string(),
            kind: one["type"].clone(),
            optional: one["optional"] == true,
        };
        let properties = |one: Value| one["properties"].as_array().unwrap().iter().map(property).collect();
        let values = |one: Value| one["values"].as_array().unwrap().clone();
        Schema {
            structures: by("structures", "name").into_iter().map(|(name, one)| (name, properties(one))).collect(),
            enumerations: by("enumerations", "name").into_iter().map(|(name, one)| (name, values(one))).collect(),
            requests: by("requests", "method").into_iter().collect(),
            notifications: by("notifications", "method").into_iter().collect(),
        }
    }

    /// Whether a value is of a structure or enumeration that has a name.
    pub fn check_named(&self, name: &str, value: &Value) -> Result<(), Fault> {
        if let Some(properties) = self.structures.get(name) {
            return self.check_structure(name, properties, value);
        }
        match (name, self.enumerations.get(name)) {
            (_, Some(values)) if values.contains(value) => Ok(()),
            (_, Some(_)) => Err(Fault::new(format!("{value} is no {name}"))),
            ("LSPAny", None) => Ok(()),
            (_, None) => panic!("the meta model has no {name}"),
        }
    }

    /// Whether a value is of a type.
    pub fn check(&self, kind: &Value, value: &Value) -> Result<(), Fault> {
        let items = || kind["items"].as_array().unwrap();
        match kind["kind"].as_str().unwrap() {
            "base" => check_base(kind["name"].as_str().unwrap(), value),
            "reference" => self.check_named(kind["name"].as_str().unwrap(), value),
            "stringLiteral" if *value == kind["value"] => Ok(()),
            "stringLiteral" => Err(Fault::new(format!("{value} is not {}", kind["value"]))),
            "array" => {
                let elements = value.as_array().ok_or_else(|| Fault::new(format!("no list: {value}")))?;
                let mut elements = elements.iter().enumerate();
                elements.try_for_each(|(at, one)| self.check(&kind["element"], one).map_err(|why| why.within(at)))
            }
            "tuple" => {
                let elements = value.as_array().filter(|elements| elements.len() == items().len());
                let elements = elements.ok_or_else(|| Fault::new(format!("not {} values: {value}", items().len())))?;
                let mut pairs = items().iter().zip(elements).enumerate();
                pairs.try_for_each(|(at, (kind, one))| self.check(kind, one).map_err(|why| why.within(at)))
            }
            "map" => {
                let entries = value.as_object().ok_or_else(|| Fault::new(format!("no map: {value}")))?;
                entries.iter().try_for_each(|(key, one)| {
                    self.check(&kind["key"], &Value::String(key.clone())).map_err(|why| why.within(key))?;
                    self.check(&kind["value"], one).map_err(|why| why.within(key))
                })
            }
            "or" => {
                let mut faults = Vec::new();
                for item in items() {
                    match self.check(item, value) {
                        Ok(()) => return Ok(()),
                        Err(fault) => faults.push(fault),
                    }
                }
                // The one that came furthest is what was meant.
                Err(faults.into_iter().max_by_key(|fault| fault.path.len()).unwrap())
            }
            other => panic!("the meta model has types of kind {other}, which nothing here knows"),
        }
    }

    fn check_structure(&self, name: &str, properties: &[Property], value: &Value) -> Result<(), Fault> {
        let held = value.as_object().ok_or_else(|| Fault::new(format!("no {name}: {value}")))?;
        for property in properties {
            match held.get(&property.name) {
                None if property.optional => {}
                None => return Err(Fault::new(format!("a {name} has `{}`", property.name))),
                Some(one) => self.check(&property.kind, one).map_err(|why| why.within(&property.name))?,
            }
        }
        match held.keys().find(|key| !properties.iter().any(|property| property.name == **key)) {
            Some(key) => Err(Fault::new(format!("a {name} has no `{key}`"))),
            None => Ok(()),
        }
    }
}

fn check_base(name: &str, value: &Value) -> Result<(), Fault> {
    // Both are bounded by the specification: integers by 32 bits, unsigned ones by 31.
    let is_within = |low: i64| value.as_i64().is_some_and(|number| (low..=i64::from(i32::MAX)).contains(&number));
    let is_address = |text: &str| {
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            && text.chars().all(|c| c.is_ascii_graphic())
    };
    let is_it = match name {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => is_within(i64::from(i32::MIN)),
        "uinteger" => is_within(0),
        "decimal" => value.is_number(),
        "null" => value.is_null(),
        "URI" | "DocumentUri" => value.as_str().is_some_and(is_address),
        other => panic!("the meta model has a base type {other}, which nothing here knows"),
    };
    if is_it { Ok(()) } else { Err(Fault::new(format!("{value} is no {name}"))) }
}
