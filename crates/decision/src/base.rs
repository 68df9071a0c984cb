//! The Service's base: which authority and which paths are its own.

/// A base URL, taken apart.
#[derive(Debug)]
pub(crate) struct Base {
    /// The whole, without a trailing slash.
    pub(crate) url: Box<str>,
    https: bool,
    authority: Box<[u8]>,
    segments: Vec<Box<str>>,
    path_bytes: usize,
}

impl Base {
    /// Takes apart a URL that a bundle has checked: absolute, without a trailing slash.
    pub(crate) fn new(url: &str) -> Self {
        let https = url.starts_with("https://");
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let segments: Vec<Box<str>> = path.split('/').filter(|segment| !segment.is_empty()).map(Into::into).collect();
        let path_bytes = segments.iter().map(|segment| segment.len() + 1).sum();
        Self {
            url: url.into(),
            https,
            authority: without_port(authority.as_bytes(), https).to_ascii_lowercase().into(),
            segments,
            path_bytes,
        }
    }

    /// Whether an authority (`Host`, or the one of an absolute target) is the Service's; the port that
    /// the scheme implies may be left out.
    pub(crate) fn has_authority(&self, authority: &[u8]) -> bool {
        *authority == *self.authority || without_port(authority, self.https).eq_ignore_ascii_case(&self.authority)
    }

    /// What of an absolute URL stands below the base and this path (with its leading slash, or empty); none for a URL of
    /// another server, or outside.
    pub(crate) fn relative<'u>(&self, url: &'u str, path: &str) -> Option<&'u str> {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, mut rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if !scheme.eq_ignore_ascii_case(if self.https { "https" } else { "http" })
            || !self.has_authority(authority.as_bytes())
        {
            return None;
        }
        for segment in &self.segments {
            rest = rest.strip_prefix('/')?.strip_prefix(&**segment)?;
        }
        rest = rest.strip_prefix(path)?;
        rest.strip_prefix('/').or_else(|| (rest.is_empty() || rest.starts_with('?')).then_some(rest))
    }

    /// How many bytes the base's own path has.
    pub(crate) fn path_bytes(&self) -> usize {
        self.path_bytes
    }

    /// The segments below the base; none for a path outside.
    pub(crate) fn below<'p, 's>(&self, path: &'p [&'s str]) -> Option<&'p [&'s str]> {
        let (head, rest) = path.split_at_checked(self.segments.len())?;
        head.iter().zip(&self.segments).all(|(one, own)| **one == **own).then_some(rest)
    }
}

fn without_port(authority: &[u8], https: bool) -> &[u8] {
    let port: &[u8] = if https { b":443" } else { b":80" };
    authority.strip_suffix(port).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d32_a_url_below_the_own_base_is_relative_and_every_other_is_foreign() {
        let base = Base::new("https://gw.example/fhir");
        for (url, path, relative) in [
            ("https://gw.example/fhir/Patient/1?a=b", "", Some("Patient/1?a=b")),
            ("HTTPS://GW.example:443/fhir/Patient/1", "", Some("Patient/1")),
            ("https://gw.example/fhir", "", Some("")),
            ("https://gw.example/fhir/", "", Some("")),
            ("https://gw.example/fhir?_type=Patient", "", Some("?_type=Patient")),
            ("https://gw.example/fhir/t/7/Patient/1", "/t/7", Some("Patient/1")),
            ("https://gw.example/fhir/t/70/Patient/1", "/t/7", None),
            ("https://gw.example/fhir/Patient/1", "/t/7", None),
            ("https://gw.example/fhirs/Patient/1", "", None),
            ("https://gw.example/FHIR/Patient/1", "", None),
            ("https://gw.example/Patient/1", "", None),
            ("https://gw.example", "", None),
            ("http://gw.example/fhir/Patient/1", "", None),
            ("https://gw.example:8443/fhir/Patient/1", "", None),
            ("https://gw.example@evil.example/fhir/Patient/1", "", None),
            ("https://gw.example\\@evil.example/fhir/Patient/1", "", None),
            ("https://gw.example.evil.example/fhir/Patient/1", "", None),
            ("//gw.example/fhir/Patient/1", "", None),
        ] {
            assert_eq!(base.relative(url, path), relative, "{url}");
        }
    }
}
