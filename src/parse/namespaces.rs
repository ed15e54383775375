//! Namespaces: what an address or a prefix means, in whatever spelling feeds have it.

/// The namespaces that feeds are made of, by what they mean rather than by their many addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ns {
    /// The format's own elements: no namespace, or that of the root.
    Core,
    Atom,
    Rdf,
    Content,
    Dc,
    DcTerms,
    Sy,
    Slash,
    Wfw,
    Thr,
    Media,
    Itunes,
    GooglePlay,
    Podcast,
    GeoRss,
    Admin,
    Xhtml,
    FeedBurner,
    /// RFC 5005.
    History,
    /// RFC 6721.
    Tombstones,
    CreativeCommons,
    Xml,
    Unknown,
}

/// A namespace by its address: current, old, misspelt by case, with or without its last slash.
pub fn namespace(uri: &str) -> Ns {
    let uri = uri.trim_end_matches(['/', '#']);
    let lower;
    let uri = if uri.bytes().any(|b| b.is_ascii_uppercase()) {
        lower = uri.to_ascii_lowercase();
        &lower
    } else {
        uri
    };
    let uri = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://")).unwrap_or(uri);
    match uri {
        "www.w3.org/2005/atom"
        | "purl.org/atom/ns"
        | "purl.org/atom"
        | "example.com/newformat"
        | "example.com/necho"
        | "purl.org/echo"
        | "uri/of/echo/namespace"
        | "purl.org/pie" => Ns::Atom,
        "purl.org/rss/1.0"
        | "my.netscape.com/rdf/simple/0.9"
        | "my.netscape.com/publish/formats/rss-0.91.dtd"
        | "channel.netscape.com/rdf/simple/0.9"
        | "purl.org/net/rss1.1"
        | "backend.userland.com/rss"
        | "backend.userland.com/rss2"
        | "backend.userland.com/rss091"
        | "backend.userland.com/rss092"
        | "blogs.law.harvard.edu/tech/rss"
        | "cyber.law.harvard.edu/rss"
        | "cyber.law.harvard.edu/rss/rss.html"
        | "purl.org/net/rss1.1/payload"
        | "www.rssboard.org/rss-specification" => Ns::Core,
        "www.w3.org/1999/02/22-rdf-syntax-ns" => Ns::Rdf,
        "purl.org/rss/1.0/modules/content" => Ns::Content,
        "purl.org/dc/elements/1.1" | "purl.org/dc/elements/1.0" | "purl.org/rss/1.0/modules/dc" | "purl.org/dc" => {
            Ns::Dc
        }
        "purl.org/dc/terms" | "purl.org/rss/1.0/modules/dcterms" => Ns::DcTerms,
        "purl.org/rss/1.0/modules/syndication" => Ns::Sy,
        "purl.org/rss/1.0/modules/slash" => Ns::Slash,
        "wellformedweb.org/commentapi" => Ns::Wfw,
        "purl.org/syndication/thread/1.0" => Ns::Thr,
        "search.yahoo.com/mrss"
        | "video.search.yahoo.com/mrss"
        | "www.rssboard.org/media-rss"
        | "tools.search.yahoo.com/mrss" => Ns::Media,
        "www.itunes.com/dtds/podcast-1.0.dtd"
        | "www.itunes.com/dtd/podcast-1.0.dtd"
        | "example.com/dtds/podcast-1.0.dtd" => Ns::Itunes,
        "www.google.com/schemas/play-podcasts/1.0" => Ns::GooglePlay,
        "podcastindex.org/namespace/1.0" | "github.com/podcastindex-org/podcast-namespace/blob/main/docs/1.0.md" => {
            Ns::Podcast
        }
        "www.georss.org/georss" | "www.w3.org/2003/01/geo/wgs84_pos" => Ns::GeoRss,
        "webns.net/mvcb" => Ns::Admin,
        "www.w3.org/1999/xhtml" => Ns::Xhtml,
        "rssnamespace.org/feedburner/ext/1.0" => Ns::FeedBurner,
        "purl.org/syndication/history/1.0" => Ns::History,
        "purl.org/atompub/tombstones/1.0" => Ns::Tombstones,
        "web.resource.org/cc" | "backend.userland.com/creativecommonsrssmodule" | "creativecommons.org/ns" => {
            Ns::CreativeCommons
        }
        "www.w3.org/xml/1998/namespace" => Ns::Xml,
        _ => Ns::Unknown,
    }
}

/// What a prefix nobody declared most likely means.
pub fn usual_prefix(prefix: &str) -> Ns {
    match prefix {
        "atom" | "atom10" | "atom03" | "a10" => Ns::Atom,
        "rdf" => Ns::Rdf,
        "rss" => Ns::Core,
        "content" => Ns::Content,
        "dc" => Ns::Dc,
        "dcterms" => Ns::DcTerms,
        "sy" => Ns::Sy,
        "slash" => Ns::Slash,
        "wfw" => Ns::Wfw,
        "thr" => Ns::Thr,
        "media" => Ns::Media,
        "itunes" => Ns::Itunes,
        "googleplay" => Ns::GooglePlay,
        "podcast" => Ns::Podcast,
        "georss" | "geo" => Ns::GeoRss,
        "admin" => Ns::Admin,
        "xhtml" | "html" | "body" => Ns::Xhtml,
        "feedburner" => Ns::FeedBurner,
        "fh" => Ns::History,
        "at" => Ns::Tombstones,
        "cc" | "creativecommons" => Ns::CreativeCommons,
        "xml" => Ns::Xml,
        _ => Ns::Unknown,
    }
}
