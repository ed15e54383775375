//! One pushed document: read, compared and stored by the same way as one that was fetched. What belongs to polls stays as it
//! is: their validators, their hash, their failures.

use std::sync::Arc;

use super::Newsdesk;
use super::push::Pushed;
use super::refresh::document::{Read, ReadError, tell_cuts};
use super::refresh::{Done, RefreshError, Refreshing, Stage, in_words};
use super::work::blocking;
use crate::config::settings::{Place, Source};
use crate::fetch::Validators;
use crate::fetch::http::Document;
use crate::model::Time;
use crate::schedule::{self, Cadence, Freshness, NextPoll, rhythm};
use crate::store::SourceState;

impl Newsdesk {
    pub(super) async fn read_push(&self, source: Arc<Source>, pushed: Pushed) -> Refreshing {
        let (now, row) = (super::now(), self.row(&source.name));
        let mut state = match self.store.state(row) {
            Ok(state) => state,
            Err(cause) => return self.store_failed(source, cause.into(), now),
        };
        let Place::Feed(page) = &source.place else {
            return Refreshing::ended(source, Ok(Done::default()), as_before(&state, now));
        };
        let configured = state.poll.found.ask(page).clone();
        let document = Document {
            // What is relative in it is so to where its source is.
            url: state.poll.moved.ask(&configured).clone(),
            hops: Vec::new(),
            body: pushed.body.clone(),
            content_type: pushed.content_type.clone(),
            validators: Validators::default(),
            freshness: Freshness::default(),
            links: Vec::new(),
        };
        let read = {
            let (newsdesk, source, last_read) = (self.clone(), source.clone(), state.last_success);
            blocking(move || newsdesk.read_feed(&source, &configured, &document, row, last_read, now)).await
        };
        let Read { compared, repairs, .. } = match read {
            Ok(read) => read,
            Err(ReadError::Store(cause)) => return self.store_failed(source, cause.into(), now),
            Err(ReadError::NotAFeed(cause)) => {
                let error =
                    RefreshError::new(&source, Stage::Parse, format!("what its hub pushed is ignored: {cause}").into());
                return Refreshing::ended(source, Err(error), as_before(&state, now));
            }
        };
        // What its polls bring is cut as before: only the log has what was cut of a push.
        tell_cuts(&source, &state.repairs, &repairs);
        let words = format!("pushed: {}", in_words(&compared.changes));
        if !compared.changes.new.is_empty() {
            rhythm::note(&mut state.poll.seen, now);
        }
        self.note_push(row, &pushed.token, now);
        if state.trouble.is_none() {
            state.outcome.clone_from(&words);
            state.last_success = Some(now);
        }
        let next = self.after_push(&source, &state, row, now);
        (state.next_poll, state.next_reason) = (Some(next.at), next.reason.clone());
        let refresh = compared.refresh(&source, row, state, now);
        match self.store.apply_refresh(refresh).await {
            Ok(applied) => Refreshing::ended(source, Ok(Done { applied, words, ..Done::default() }), next),
            Err(cause) => self.news_not_stored(source, cause, next, now),
        }
    }

    /// The next poll counts from the last one: pushes do not put off the poll that checks them.
    fn after_push(&self, source: &Source, state: &SourceState, row: i64, now: Time) -> NextPoll {
        let schedule = &self.settings.schedule;
        let cadence = source.schedule.as_ref().unwrap_or(&schedule.default);
        let bounds = schedule::Bounds { min: schedule.min, max: schedule.max };
        match (cadence, state.last_try) {
            (Cadence::Adaptive, Some(last)) if state.poll.last_failure.is_none() && last <= now => {
                let normal = schedule::next_poll(cadence, bounds, &state.poll, last, &source.name);
                self.push_paced(row, normal, last, now)
            }
            _ => as_before(state, now),
        }
    }
}

fn as_before(state: &SourceState, now: Time) -> NextPoll {
    NextPoll { at: state.next_poll.unwrap_or(now), reason: state.next_reason.clone() }
}
