//! One request through the door whose answer counts whatever it is: between hubs, publishers and subscribers (WebSub).
//! The same guard and deadlines as for a feed; redirects are an answer like any other.

use std::time::Duration;

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use reqwest::Method;
use reqwest::header::{self, HeaderName, HeaderValue};
use url::Url;

use super::error::{FetchError, Trouble, shown};
use super::head;
use super::http::{Door, clean, cut_short, refusal, within};
use super::names::PORT;

pub const FORM: &str = "application/x-www-form-urlencoded";

/// What is sent.
#[derive(Debug, Clone)]
pub struct Exchange<'a> {
    pub url: &'a Url,
    /// `None`: a GET; else a POST of a body and its media type.
    pub post: Option<(Bytes, &'a str)>,
    pub fields: Vec<(&'static str, String)>,
    /// Bytes of the answer's body that matter; a longer one comes back cut one byte behind them.
    pub most: usize,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub status: u16,
    pub body: Vec<u8>,
    pub retry_after: Option<TimeDelta>,
    /// Where a redirect leads.
    pub location: Option<Url>,
}

impl Door {
    /// Send, and read what is answered. An error: nobody answered, or nobody was asked.
    pub async fn exchange(&self, exchange: Exchange<'_>) -> Result<Answered, FetchError> {
        let (url, limit) = (exchange.url, self.shared.settings.total_timeout);
        let answer = match tokio::time::timeout(limit, self.send_and_read(&exchange)).await {
            Ok(answer) => answer,
            Err(_) => Err(Trouble::Timeout { what: "the whole answer", after: limit }),
        };
        answer.map_err(|trouble| FetchError { shown: shown(url), url: clean(url), hops: Vec::new(), trouble })
    }

    /// POST a form, and take any 2xx for a yes. A hub is told so that documents have changed.
    pub async fn post_form(&self, url: &Url, fields: &[(&str, &str)]) -> Result<(), FetchError> {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let exchange = Exchange { url, post: Some((form.into(), FORM)), fields: Vec::new(), most: 0 };
        let answered = self.exchange(exchange).await?;
        if (200..300).contains(&answered.status) {
            return Ok(());
        }
        let trouble = Trouble::Status { status: answered.status, retry_after: answered.retry_after };
        Err(FetchError { shown: shown(url), url: clean(url), hops: Vec::new(), trouble })
    }

    async fn send_and_read(&self, exchange: &Exchange<'_>) -> Result<Answered, Trouble> {
        let settings = &self.shared.settings;
        let (url, idle): (&Url, Duration) = (exchange.url, settings.idle_timeout);
        self.judge(url)?;
        let method = if exchange.post.is_some() { Method::POST } else { Method::GET };
        let mut outgoing = reqwest::Request::new(method, clean(url));
        let headers = outgoing.headers_mut();
        // A few bytes are compared as they come.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for (name, value) in &exchange.fields {
            let value = HeaderValue::from_str(value).map_err(|_| Trouble::Header((*name).to_owned()))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        if let Some((body, media_type)) = &exchange.post {
            let forbidden = |_| Trouble::Header("content-type".to_owned());
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(media_type).map_err(forbidden)?);
            *outgoing.body_mut() = Some(body.clone().into());
        }
        let port = settings.proxy.as_ref().unwrap_or(url).port_or_known_default().unwrap_or(0);
        let answer = PORT.scope(port, self.shared.closing.execute(outgoing));
        let answer = within("the first byte", settings.first_byte_timeout, answer).await?;
        let mut answer = answer.map_err(|error| refusal(error, settings.connect_timeout))?;
        let retry_after = head::retry_after(answer.headers(), Utc::now());
        let location = head::lenient(answer.headers(), header::LOCATION);
        let location = location.and_then(|target| url.join(target.trim()).ok());
        let mut body = Vec::new();
        while exchange.most > 0 && body.len() <= exchange.most {
            let Some(piece) = within("a part of the body", idle, answer.chunk()).await?.map_err(cut_short)? else {
                break;
            };
            body.extend_from_slice(piece.get(..exchange.most + 1 - body.len()).unwrap_or(&piece));
        }
        Ok(Answered { status: answer.status().as_u16(), body, retry_after, location })
    }
}
