//! What pages show, filled in from the store and the configuration; `render::page` makes them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::work::{blocking, on_disk};
use super::{Newsdesk, days};
use crate::config::settings::Place;
use crate::fetch::folder;
use crate::merge;
use crate::model::{Feed, FeedEntry, Html, Origin};
use crate::normalize::{clean, links};
use crate::publish::{self, mirror};
use crate::render::discreet::discreet;
use crate::render::{self, opml, page, text};
use crate::serve::file::OpenFile;
use crate::serve::public::{Found, Wanted};
use crate::store::{StoreError, Stored};

/// Characters of a teaser in a list.
const TEASER_CHARS: usize = 300;

/// `/SECTION/` or `/sources/NAME/`.
pub fn section(newsdesk: &Newsdesk, path: &str, feed: &Feed, entries: Vec<page::EntryLine>) -> Vec<u8> {
    let page = page::SectionPage {
        site: site(newsdesk),
        path: path.to_owned(),
        title: feed.title.clone(),
        description: feed.description.clone(),
        language: feed.language.clone(),
        pager: days::after_the_newest(newsdesk, path, &entries),
        day: None,
        entries,
    };
    page::section_page(&page).into()
}

/// `/`, from the newest entries of every section and of the site, by the paths of their pages.
pub fn front(newsdesk: &Newsdesk, newest: &BTreeMap<String, Vec<page::EntryLine>>) -> Vec<u8> {
    let settings = &newsdesk.settings;
    let lines = |path: &str| newest.get(path).cloned().unwrap_or_default();
    let cards = settings.sections.iter().map(|section| page::SectionCard {
        name: section.name.clone(),
        title: section.title.clone(),
        description: section.description.clone(),
        language: section.language.clone(),
        newest: lines(&format!("{}/", section.name)),
    });
    let file = settings.file.as_ref().map(|file| file.display().to_string());
    let page = page::SitePage {
        site: site(newsdesk),
        description: None,
        sections: cards.collect(),
        pager: days::after_the_newest(newsdesk, "", &lines("")),
        newest: lines(""),
        // Only who has nothing yet needs to know where to write it; a path is nobody else's business.
        configuration: settings.sources.is_empty().then(|| file.unwrap_or_else(|| "config/newsdesk.toml".to_owned())),
    };
    page::site_page(&page).into()
}

/// Documents that follow from the configuration alone.
pub fn fixed(newsdesk: &Newsdesk) -> Vec<(String, Vec<u8>)> {
    let [style, favicon, icon, sections, sources] = FIXED.map(str::to_owned);
    vec![
        (style, page::STYLE.as_bytes().to_vec()),
        (favicon, page::favicon().to_vec()),
        (icon, page::icon().to_vec()),
        (sections, sections_opml(newsdesk)),
        (sources, sources_opml(newsdesk)),
    ]
}

/// Paths of [`fixed`].
pub const FIXED: [&str; 5] = ["style.css", "favicon.svg", "icon.png", "sections.opml", "sources.opml"];

fn sections_opml(newsdesk: &Newsdesk) -> Vec<u8> {
    let base = &newsdesk.site.base;
    let site = &newsdesk.settings.site;
    let whole = opml::Outline {
        text: site.title.clone(),
        xml_url: Some(format!("{base}{}", render::ATOM)),
        html_url: Some(base.clone()),
        description: None,
        language: site.language.clone(),
        sections: Vec::new(),
    };
    let sections = newsdesk.settings.sections.iter().map(|section| {
        let path = links::encode_segment(&section.name);
        opml::Outline {
            text: section.title.clone(),
            xml_url: Some(format!("{base}{path}/{}", render::ATOM)),
            html_url: Some(format!("{base}{path}/")),
            description: section.description.clone(),
            language: section.language.clone(),
            sections: Vec::new(),
        }
    });
    let outlines: Vec<opml::Outline> = std::iter::once(whole).chain(sections).collect();
    opml::sections(&site.title, &outlines)
}

fn sources_opml(newsdesk: &Newsdesk) -> Vec<u8> {
    let feeds = newsdesk.settings.sources.iter().filter_map(|source| match &source.place {
        Place::Feed(url) => Some((source, url)),
        Place::Folder(_) => None,
    });
    let outlines: Vec<opml::Outline> = feeds
        .map(|(source, url)| opml::Outline {
            text: source.name.clone(),
            xml_url: (!source.private).then(|| url.to_string()),
            html_url: None,
            description: None,
            language: None,
            sections: source.sections.clone(),
        })
        .collect();
    opml::sources(&newsdesk.settings.site.title, &outlines)
}

pub(super) fn site(newsdesk: &Newsdesk) -> page::Site {
    let settings = &newsdesk.settings;
    page::Site {
        title: settings.site.title.clone(),
        url: newsdesk.site.base.clone(),
        base_path: newsdesk.base_path.clone(),
        language: settings.site.language.clone(),
        timezone: settings.site.timezone,
        sections: settings.sections.iter().map(|section| link(&section.name, &section.title)).collect(),
    }
}

fn link(name: &str, title: &str) -> page::SectionLink {
    page::SectionLink { name: name.to_owned(), title: title.to_owned() }
}

pub fn line(shown: &FeedEntry) -> page::EntryLine {
    let stated = &shown.entry.stated;
    page::EntryLine {
        title: stated.title.clone(),
        link: shown.link.clone(),
        summary: stated.summary.as_ref().or(stated.content.as_ref()).map(teaser).filter(|text| !text.is_empty()),
        origin: named(&shown.origin),
        published: shown.entry.effective,
        language: stated.language.clone(),
        id: Some(shown.entry.id.0.clone()),
        also_in: shown.also_in.clone(),
        sections: Vec::new(),
    }
}

fn named(origin: &Origin) -> page::Named {
    page::Named { name: origin.title.clone(), link: origin.link.clone() }
}

/// Visible text, cut at a word.
fn teaser(html: &Html) -> String {
    let text = clean::visible(html);
    let Some((end, _)) = text.char_indices().nth(TEASER_CHARS) else { return text };
    let cut = text.get(..end).unwrap_or(&text);
    let cut = cut.rsplit_once(' ').map_or(cut, |(whole, _)| whole);
    format!("{cut} …")
}

/// What stands below the page of a local article.
pub(super) struct ArticleFiles {
    page: Vec<u8>,
    /// Folder of its source.
    root: PathBuf,
    /// Relative to it.
    shows: Vec<String>,
}

impl ArticleFiles {
    /// Bring the mirror below `root` to it; what the article shows no more leaves.
    pub fn mirror(self, root: &Path, slug: &str) -> Result<(), mirror::MirrorError> {
        let mut keep = BTreeSet::from([format!("articles/{slug}/index.html")]);
        mirror::write(root, &format!("articles/{slug}/"), &publish::of_page(self.page))?;
        for shown in self.shows {
            let Ok((mut file, held)) = folder::open(&self.root, &shown) else { continue };
            let path = format!("articles/{slug}/{shown}");
            mirror::copy(root, &path, &mut file, &held)?;
            keep.insert(path);
        }
        mirror::sweep_article(root, slug, &keep)
    }
}

impl Newsdesk {
    /// A page made for a request.
    pub async fn page(&self, wanted: Wanted) -> Found {
        let found = match wanted {
            Wanted::Article { slug } => self.article_page(&slug).await,
            Wanted::ArticleFile { slug, path } => self.article_file(&slug, &path).await,
            Wanted::Entry { id } => self.entry_page(id).await,
            Wanted::Archive { section, number, name } => self.archive_document(&section, number, name).await,
            Wanted::Day { section, date, part } => self.day_page(&section, date, part).await,
            Wanted::Status { page } => {
                self.status_page(page).await.map(|page| page.map_or(Found::Missing, Found::Page))
            }
            Wanted::Error { status, title, advice } => {
                let page = page::ErrorPage { site: site(self), status, title: title.to_owned(), advice };
                Ok(Found::Page(page::error_page(&page).into()))
            }
        };
        found.unwrap_or_else(|cause| {
            tracing::error!(stage = "serve", "{}", super::chain(&cause));
            Found::Failed
        })
    }

    pub(super) async fn article_page(&self, slug: &str) -> Result<Found, StoreError> {
        let Some(stored) = self.store.entry_by_slug(slug.to_owned()).await? else { return Ok(Found::Missing) };
        if stored.withdrawn.is_some() {
            return Ok(Found::Gone);
        }
        let newsdesk = self.clone();
        Ok(Found::Page(blocking(move || newsdesk.article(stored)).await))
    }

    fn article(&self, stored: Stored) -> Vec<u8> {
        let sections = self.section_links(&stored.sections);
        let own_origin = stored.entry.stated.origin.is_some();
        let shown = merge::feed_entry(self.candidate(stored), &self.site);
        let FeedEntry { entry, origin, also_in, .. } = shown;
        let stated = entry.stated;
        let slug = entry.slug.unwrap_or_default();
        let page = page::ArticlePage {
            site: site(self),
            path: format!("articles/{}", links::encode_segment(&slug)),
            title: stated.title,
            summary: stated.summary.as_ref().map(teaser),
            content: stated.content.or(stated.summary).unwrap_or_default(),
            authors: stated.authors,
            published: entry.effective,
            updated: entry.updated,
            language: stated.language,
            origin: own_origin.then(|| named(&origin)),
            also_in,
            sections,
            categories: stated.categories.into_iter().map(|category| category.label.unwrap_or(category.term)).collect(),
            image: stated.image,
            enclosures: stated.enclosures,
            rights: stated.rights,
            id: Some(entry.id.0),
        };
        page::article_page(&page).into()
    }

    pub(super) fn section_links(&self, names: &[String]) -> Vec<page::SectionLink> {
        let sections = self.settings.sections.iter().filter(|section| names.contains(&section.name));
        sections.map(|section| link(&section.name, &section.title)).collect()
    }

    /// Only files that the article itself shows, and only out of its own folder.
    async fn article_file(&self, slug: &str, path: &str) -> Result<Found, StoreError> {
        let Some(stored) = self.store.entry_by_slug(slug.to_owned()).await? else { return Ok(Found::Missing) };
        if stored.withdrawn.is_some() {
            return Ok(Found::Gone);
        }
        let Some((root, shown)) = self.files_of(&stored).await? else { return Ok(Found::Missing) };
        if !shown.iter().any(|file| file == path) {
            return Ok(Found::Missing);
        }
        let (content_type, path) = (text::media_type_by_ending(path), path.to_owned());
        Ok(match on_disk(move || folder::open(&root, &path)).await {
            Ok((file, held)) => Found::File { content_type, file: OpenFile::new(file, &held) },
            Err(_) => Found::Missing,
        })
    }

    /// Folder of a local article and the paths of the files that it shows.
    async fn files_of(&self, stored: &Stored) -> Result<Option<(PathBuf, Vec<String>)>, StoreError> {
        let Some(source) = self.sources.get(&stored.entry.source) else { return Ok(None) };
        let Place::Folder(root) = &source.place else { return Ok(None) };
        let Some(file) = stored.key_text.strip_prefix("file ") else { return Ok(None) };
        let file = file.split(crate::normalize::WITHIN).next().unwrap_or(file);
        let files = self.store.files(self.row(&source.name)).await?;
        let shows = files.into_iter().find(|row| row.path == file).map(|row| row.shows).unwrap_or_default();
        Ok(Some((root.clone(), shows)))
    }

    /// Page of one article, the folder that its files lie in, and which of them it shows. `None`: there is no such page.
    pub(super) async fn article_files(&self, slug: &str) -> Result<Option<ArticleFiles>, StoreError> {
        let Found::Page(page) = self.article_page(slug).await? else { return Ok(None) };
        let files = match self.store.entry_by_slug(slug.to_owned()).await? {
            Some(stored) => self.files_of(&stored).await?,
            None => None,
        };
        let (root, shows) = files.unwrap_or_default();
        Ok(Some(ArticleFiles { page, root, shows }))
    }

    pub(super) async fn entry_page(&self, id: String) -> Result<Found, StoreError> {
        let Some(stored) = self.store.entry_by_id(id).await? else { return Ok(Found::Missing) };
        if stored.withdrawn.is_some() {
            return Ok(Found::Gone);
        }
        let sections = self.section_links(&stored.sections);
        let private = self.is_private(&stored.entry.source);
        let link = stored.origin.link.clone().filter(|_| !private);
        let source = page::Named { name: stored.entry.source.clone(), link };
        let placement =
            self.placer.place(&stored.entry.source, &mut stored.entry.stated.clone(), stored.entry.first_seen);
        let newsdesk = self.clone();
        let page = blocking(move || {
            let shown = merge::feed_entry(newsdesk.candidate(stored), &newsdesk.site);
            let line = line(&shown);
            let entry = shown.entry;
            page::entry_page(&page::EntryPage {
                site: site(&newsdesk),
                id: entry.id.0,
                title: line.title,
                link: line.link,
                summary: line.summary,
                language: line.language,
                authors: entry.stated.authors,
                categories: entry.stated.categories.into_iter().map(|category| category.term).collect(),
                source,
                origin: line.origin,
                stated_published: entry.stated.published,
                stated_updated: entry.stated.updated,
                first_seen: entry.first_seen,
                effective: entry.effective,
                updated: entry.updated,
                sections,
                steps: placement.steps,
                also_in: line.also_in,
            })
        })
        .await;
        Ok(Found::Page(page.into()))
    }

    /// About the daemon as a whole; nothing that is its owner's alone.
    pub(super) fn public_notices(&self) -> Vec<String> {
        let gate = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        let gate = gate.values().flatten().map(|notice| discreet(notice, false));
        self.standing().in_public().into_iter().chain(gate).collect()
    }

    /// The same for the owner.
    pub fn notices(&self) -> Vec<String> {
        let gate = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        self.standing().notices().into_iter().chain(gate.values().flatten().cloned()).collect()
    }
}
