//! Deployment targets: one table of operator sets and the systems that brought them.

use std::fmt;

/// The systems Core ML runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Platform {
    /// iPhone and iPad.
    Ios,
    /// Mac.
    MacOs,
    /// Watch.
    WatchOs,
    /// Apple TV.
    TvOs,
    /// Vision.
    VisionOs,
}

impl Platform {
    /// Every platform, with its spelling.
    pub const ALL: &'static [(Platform, &'static str)] = &[
        (Platform::Ios, "iOS"),
        (Platform::MacOs, "macOS"),
        (Platform::WatchOs, "watchOS"),
        (Platform::TvOs, "tvOS"),
        (Platform::VisionOs, "visionOS"),
    ];

    /// As Apple writes it.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// A version of MIL's operators and of the model format that carries them.
#[derive(Debug, PartialEq, Eq)]
pub struct OperatorSet {
    /// The string in the file: `CoreML8`.
    pub name: &'static str,
    /// `specificationVersion` of the model.
    pub spec: i32,
    /// First system versions, in the order of [`Platform::ALL`]; `None` where there is none.
    pub systems: [Option<&'static str>; 5],
    /// What it brought, as far as quantization is concerned.
    pub adds: &'static str,
}

/// All operator sets, oldest first. CT:mlmodel/format/Model.proto:260-336, CT:coremltools/__init__.py:108-117,
/// CT:converters/mil/_deployment_compatibility.py:19-55; visionOS from Apple's availability data.
pub const OPERATOR_SETS: &[OperatorSet] = &[
    OperatorSet {
        name: "CoreML3",
        spec: 4,
        systems: [Some("13"), Some("10.15"), Some("6"), Some("13"), None],
        adds: "neural networks only: no ML Program",
    },
    OperatorSet {
        name: "CoreML4",
        spec: 5,
        systems: [Some("14"), Some("11"), Some("7"), Some("14"), None],
        adds: "neural networks only: no ML Program",
    },
    OperatorSet {
        name: "CoreML5",
        spec: 6,
        systems: [Some("15"), Some("12"), Some("8"), Some("15"), None],
        adds: "ML Programs, without any compression",
    },
    OperatorSet {
        name: "CoreML6",
        spec: 7,
        systems: [Some("16"), Some("13"), Some("9"), Some("16"), None],
        adds: "int8 per tensor and per channel; palettes of 1, 2, 4, 6 and 8 bits, one per tensor; sparse weights",
    },
    OperatorSet {
        name: "CoreML7",
        spec: 8,
        systems: [Some("17"), Some("14"), Some("10"), Some("17"), Some("1")],
        adds: "8-bit activations: `quantize` and `dequantize`",
    },
    OperatorSet {
        name: "CoreML8",
        spec: 9,
        systems: [Some("18"), Some("15"), Some("11"), Some("18"), Some("2")],
        adds: "int4; scales per block; 3-bit, grouped and vector palettes; joint schemes; state",
    },
    OperatorSet {
        name: "CoreML9",
        spec: 10,
        systems: [Some("26"), Some("26"), Some("26"), Some("26"), Some("26")],
        adds: "int8 model inputs and outputs; int8 tables scaled after the look-up",
    },
];

impl OperatorSet {
    /// The set with a specification version, if there is one.
    pub fn by_spec(spec: i32) -> Option<&'static OperatorSet> {
        OPERATOR_SETS.iter().find(|set| set.spec == spec)
    }

    /// The first system of a platform that has it, as recipes write it: `macOS15`.
    pub fn on(&self, platform: Platform) -> Option<String> {
        self.systems[platform as usize].map(|version| format!("{}{version}", platform.name()))
    }

    /// The first systems of all platforms: `iOS18, macOS15, watchOS11, tvOS18, visionOS2`.
    pub fn systems(&self) -> String {
        self.all().collect::<Vec<_>>().join(", ")
    }

    /// The first system of each platform that has it.
    pub fn all(&self) -> impl Iterator<Item = String> {
        Platform::ALL.iter().filter_map(|(platform, _)| self.on(*platform))
    }
}

/// One minimum deployment target: a platform and a version that brought an operator set.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The platform.
    pub platform: Platform,
    /// What it can run.
    pub set: &'static OperatorSet,
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.platform == other.platform && self.set.spec == other.set.spec
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.set.systems[self.platform as usize].unwrap_or("");
        write!(f, "{}{version}", self.platform.name())
    }
}

/// Why a word is no target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotATarget {
    /// The platform is known, the version is not.
    Version {
        /// The platform.
        platform: Platform,
        /// As written behind the platform's name.
        version: String,
        /// The newest known target below it, if any.
        below: Option<String>,
    },
    /// Not even the platform is known.
    Platform,
}

impl Target {
    /// Every target there is, platform by platform, oldest first.
    pub fn all() -> impl Iterator<Item = Target> {
        Platform::ALL.iter().flat_map(|(platform, _)| {
            let sets = OPERATOR_SETS.iter().filter(|s| s.systems[*platform as usize].is_some());
            sets.map(|set| Target { platform: *platform, set })
        })
    }

    /// Reads `iOS18`, `macOS10.15` (also `macOS10_15`, as coremltools spells it), `ios18`.
    ///
    /// # Errors
    /// Says whether the platform or only the version is unknown.
    pub fn parse(word: &str) -> Result<Target, NotATarget> {
        let known =
            |(_, name): &&(Platform, &str)| word.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name));
        // `iOS` is a suffix of nothing, but `macOS` and others must be tried whole.
        let Some(&(platform, name)) = Platform::ALL.iter().find(known) else {
            return Err(NotATarget::Platform);
        };
        let written = &word[name.len()..];
        if written.is_empty() || !written.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(NotATarget::Platform);
        }
        let version = written.replace('_', ".");
        // macOS 11 first reported itself as 10.16, and coremltools keeps that name.
        let version = if platform == Platform::MacOs && version == "10.16" { "11".into() } else { version };
        let is = |set: &&OperatorSet| set.systems[platform as usize] == Some(version.as_str());
        if let Some(set) = OPERATOR_SETS.iter().find(is) {
            return Ok(Target { platform, set });
        }
        let below = OPERATOR_SETS
            .iter()
            .rev()
            .find(|set| set.systems[platform as usize].is_some_and(|known| components(known) <= components(&version)));
        Err(NotATarget::Version {
            platform,
            version: written.to_string(),
            below: below.and_then(|set| set.on(platform)),
        })
    }
}

/// The numbers of a version, so that 10.9 comes before 10.15.
fn components(version: &str) -> Vec<u64> {
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
    let parts = version.split('.');
    parts.map(|part| digits(part).parse().unwrap_or(u64::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_reads_back() {
        for target in Target::all() {
            assert_eq!(Target::parse(&target.to_string()), Ok(target));
        }
        assert_eq!(Target::all().count(), 7 * 4 + 3);
        assert_eq!(Target::parse("macOS10_16"), Target::parse("macOS11"));
        assert_eq!(Target::parse("ios18"), Target::parse("iOS18"));
    }

    #[test]
    fn unknown_versions_name_the_one_below() {
        let below = |word: &str| match Target::parse(word) {
            Err(NotATarget::Version { below, .. }) => below,
            other => panic!("{other:?}"),
        };
        assert_eq!(below("iOS19").as_deref(), Some("iOS18"));
        assert_eq!(below("macOS16").as_deref(), Some("macOS15"));
        assert_eq!(below("iOS17.4.1").as_deref(), Some("iOS17"));
        assert_eq!(below("macOS10.9"), None);
        assert_eq!(below("iOS12"), None);
        assert_eq!(Target::parse("android14"), Err(NotATarget::Platform));
        assert_eq!(Target::parse("iOS"), Err(NotATarget::Platform));
    }
}
