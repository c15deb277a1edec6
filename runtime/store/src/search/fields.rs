//! The fields of the index, and a recipient as a document of it.
//!
//! | field | what of | how |
//! | --- | --- | --- |
//! | `key` | id | whole, unique; what a changed recipient is replaced by, what hits are named by and ordered by |
//! | `id`, `email`, `nickname`, `phoneNumber` | the same | words ([`crate::search::words`]) |
//! | `senders`, `tags` | each of them | whole, so that `vip` is not `vip-gold` |
//! | `createdAt` | the same | a number |
//! | `_all` | all of them but `createdAt` | words; what a query without a field searches |

use pusher_core::Pusher;
use tantivy::schema::{Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{RAW_TOKENIZER_NAME, TextAnalyzer, TokenizerManager};
use tantivy::{TantivyDocument, Term};

use super::words::Words;

/// The version of all that is described here. An index of another version is built anew.
pub(crate) const VERSION: u32 = 1;

/// What bleve calls the field of all fields; a query may name it.
const ALL: &str = "_all";
const WORDS: &str = "words";

/// Handles to the fields.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    pub(crate) schema: Schema,
    pub(crate) key: Field,
    id: Field,
    email: Field,
    nickname: Field,
    phone_number: Field,
    senders: Field,
    tags: Field,
    pub(crate) created_at: Field,
    all: Field,
}

/// A field as a query meets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Searched {
    Words(Field),
    Whole(Field),
    Number(Field),
    /// The words of all fields, and the number.
    All {
        words: Field,
        number: Field,
    },
    /// There is no such field, so it holds nothing.
    Unknown,
}

impl Fields {
    /// The name of the field that hits are named by.
    pub(crate) const KEY: &'static str = "key";

    pub(crate) fn new() -> Self {
        let indexed = |tokenizer, option, lengths| {
            let options = TextFieldIndexing::default();
            options.set_tokenizer(tokenizer).set_index_option(option).set_fieldnorms(lengths)
        };
        let whole =
            TextOptions::default().set_indexing_options(indexed(RAW_TOKENIZER_NAME, IndexRecordOption::Basic, false));
        let words =
            TextOptions::default().set_indexing_options(indexed(WORDS, IndexRecordOption::WithFreqsAndPositions, true));
        let mut schema = Schema::builder();
        let key = schema.add_text_field(Self::KEY, whole.clone().set_fast(RAW_TOKENIZER_NAME));
        let [id, email, nickname, phone_number] =
            ["id", "email", "nickname", "phoneNumber"].map(|name| schema.add_text_field(name, words.clone()));
        let [senders, tags] = ["senders", "tags"].map(|name| schema.add_text_field(name, whole.clone()));
        let created_at = schema.add_i64_field("createdAt", NumericOptions::default().set_fast());
        let all = schema.add_text_field(ALL, words);
        let schema = schema.build();
        Self { schema, key, id, email, nickname, phone_number, senders, tags, created_at, all }
    }

    /// What text is made into.
    pub(crate) fn tokenizers() -> TokenizerManager {
        let tokenizers = TokenizerManager::default();
        tokenizers.register(WORDS, TextAnalyzer::from(Words));
        tokenizers
    }

    /// The field that a query names, by its JSON name; without a name, all of them.
    pub(crate) fn named(&self, name: Option<&str>) -> Searched {
        match name {
            None | Some(ALL) => Searched::All { words: self.all, number: self.created_at },
            Some("id") => Searched::Words(self.id),
            Some("email") => Searched::Words(self.email),
            Some("nickname") => Searched::Words(self.nickname),
            Some("phoneNumber") => Searched::Words(self.phone_number),
            Some("senders") => Searched::Whole(self.senders),
            Some("tags") => Searched::Whole(self.tags),
            Some("createdAt") => Searched::Number(self.created_at),
            Some(_) => Searched::Unknown,
        }
    }

    /// What stands for the recipient with this id.
    pub(crate) fn key_of(&self, id: &str) -> Term {
        Term::from_field_text(self.key, id)
    }

    pub(crate) fn document(&self, pusher: &Pusher) -> TantivyDocument {
        let mut document = TantivyDocument::new();
        let id = pusher.id.as_str();
        document.add_text(self.key, id);
        let texts = [
            (self.id, id),
            (self.email, &pusher.email),
            (self.nickname, &pusher.nickname),
            (self.phone_number, &pusher.phone_number),
        ];
        for (field, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            document.add_text(field, text);
            document.add_text(self.all, text);
        }
        let senders = pusher.senders.iter().map(|sender| (self.senders, sender.as_str()));
        let tags = pusher.tags.iter().map(|tag| (self.tags, tag.as_str()));
        for (field, word) in senders.chain(tags) {
            document.add_text(field, word);
            document.add_text(self.all, word);
        }
        document.add_i64(self.created_at, pusher.created_at);
        document
    }
}
