//! The Service's base: which authority and which paths are its own.

/// A base URL, taken apart.
#[derive(Debug)]
pub(crate) struct Base {
    /// The whole, without a trailing slash.
    pub(crate) url: Box<str>,
    https: bool,
    authority: Box<str>,
    segments: Vec<Box<str>>,
}

impl Base {
    /// Takes apart a URL that a bundle has checked: absolute, without a trailing slash.
    pub(crate) fn new(url: &str) -> Self {
        let https = url.starts_with("https://");
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let segments = path.split('/').filter(|segment| !segment.is_empty()).map(Into::into).collect();
        Self { url: url.into(), https, authority: without_port(authority, https).to_ascii_lowercase().into(), segments }
    }

    /// Whether an authority (`Host`, or the one of an absolute target) is the Service's; the port that
    /// the scheme implies may be left out.
    pub(crate) fn has_authority(&self, authority: &str) -> bool {
        without_port(authority, self.https).eq_ignore_ascii_case(&self.authority)
    }

    /// The segments below the base; none for a path outside.
    pub(crate) fn below<'p, 's>(&self, path: &'p [&'s str]) -> Option<&'p [&'s str]> {
        let (head, rest) = path.split_at_checked(self.segments.len())?;
        head.iter().zip(&self.segments).all(|(one, own)| **one == **own).then_some(rest)
    }
}

fn without_port(authority: &str, https: bool) -> &str {
    authority.strip_suffix(if https { ":443" } else { ":80" }).unwrap_or(authority)
}
