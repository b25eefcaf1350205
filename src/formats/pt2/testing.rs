//! Archives for tests, right and wrong ones.

/// A zip archive in the making.
#[derive(Debug, Clone, Default)]
pub(crate) struct Zip {
    body: Vec<u8>,
    entries: Vec<Entry>,
    wide: bool,
    flags: u16,
}

#[derive(Debug, Clone)]
struct Entry {
    name: String,
    method: u16,
    compressed: u64,
    size: u64,
    header: u64,
}

/// An archive of stored members.
pub(crate) fn zip(members: &[(&str, &[u8])]) -> Zip {
    members.iter().fold(Zip::default(), |zip, (name, content)| zip.stored(name, content))
}

impl Zip {
    /// Adds a member as it is.
    pub(crate) fn stored(self, name: &str, content: &[u8]) -> Zip {
        let size = content.len() as u64;
        self.member(name, 0, content, size)
    }

    /// Adds a member that is compressed already.
    pub(crate) fn deflated(self, name: &str, data: &[u8], size: u64) -> Zip {
        self.member(name, 8, data, size)
    }

    fn member(mut self, name: &str, method: u16, data: &[u8], size: u64) -> Zip {
        let header = self.body.len() as u64;
        self.body.extend(0x0403_4b50_u32.to_le_bytes());
        self.body.extend([20, 0, 0, 0]);
        self.body.extend(method.to_le_bytes());
        self.body.extend([0; 8]);
        self.body.extend((data.len() as u32).to_le_bytes());
        self.body.extend((size as u32).to_le_bytes());
        self.body.extend((name.len() as u16).to_le_bytes());
        self.body.extend([0, 0]);
        self.body.extend(name.as_bytes());
        self.body.extend(data);
        self.entries.push(Entry { name: name.into(), method, compressed: data.len() as u64, size, header });
        self
    }

    /// Adds an entry of the directory without a member.
    pub(crate) fn entry_only(mut self, name: &str, size: u64, header: u64) -> Zip {
        self.entries.push(Entry { name: name.into(), method: 0, compressed: size, size, header });
        self
    }

    /// Writes sizes and offsets in 64 bits.
    pub(crate) fn wide(mut self) -> Zip {
        self.wide = true;
        self
    }

    /// Says that members are encrypted.
    pub(crate) fn encrypted(mut self) -> Zip {
        self.flags = 1;
        self
    }

    /// The archive.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = self.body.clone();
        let directory = out.len() as u64;
        for entry in &self.entries {
            let short = |value: u64| (if self.wide { u32::MAX } else { value as u32 }).to_le_bytes();
            out.extend(0x0201_4b50_u32.to_le_bytes());
            out.extend([20, 0, 20, 0]);
            out.extend(self.flags.to_le_bytes());
            out.extend(entry.method.to_le_bytes());
            out.extend([0; 8]);
            out.extend(short(entry.compressed));
            out.extend(short(entry.size));
            out.extend((entry.name.len() as u16).to_le_bytes());
            out.extend(if self.wide { 28_u16 } else { 0 }.to_le_bytes());
            out.extend([0; 10]);
            out.extend(short(entry.header));
            out.extend(entry.name.as_bytes());
            if self.wide {
                out.extend([1, 0, 24, 0]);
                [entry.size, entry.compressed, entry.header].iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
        }
        let (len, end) = (out.len() as u64 - directory, out.len() as u64);
        let count = self.entries.len() as u64;
        if self.wide {
            out.extend(0x0606_4b50_u32.to_le_bytes());
            out.extend(44_u64.to_le_bytes());
            out.extend([0; 12]);
            [count, count, len, directory].iter().for_each(|value| out.extend(value.to_le_bytes()));
            out.extend(0x0706_4b50_u32.to_le_bytes());
            out.extend([0; 4]);
            out.extend(end.to_le_bytes());
            out.extend(1_u32.to_le_bytes());
        }
        out.extend(0x0605_4b50_u32.to_le_bytes());
        out.extend([0; 4]);
        let many = if self.wide { u16::MAX } else { count as u16 };
        out.extend(many.to_le_bytes());
        out.extend(many.to_le_bytes());
        for value in [len, directory] {
            out.extend((if self.wide { u32::MAX } else { value as u32 }).to_le_bytes());
        }
        out.extend([0; 2]);
        out
    }
}
