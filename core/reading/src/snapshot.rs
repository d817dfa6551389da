//! The overview and an answer as one page to send on.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use anyhow::Context as _;
use core_engine::Failure;
use core_explorer::{
    AnswerFormat, AnsweredQuestion, Asked, QueryAnswer, Role, SNAPSHOT_MARK, WorkerRequest,
};

use crate::explorer_answer::{Terms, answered};
use crate::failure::of_question;
use crate::reader::Reader;

/// The rows of an answer that a page has. More are of no use to a reader, and slow a browser down.
const MAX_ROWS: usize = 2_000;

/// A saved question for a page.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotQuestion<'a> {
    /// Its ID.
    pub id: &'a str,
    /// The values of its parameters.
    pub parameters: &'a BTreeMap<String, String>,
    /// True if the answer may show people.
    pub has_personal: bool,
    /// The memory that the query may use.
    pub memory_limit_bytes: usize,
}

/// Asks a question for a page.
///
/// # Errors
///
/// There is no such question, or it cannot be answered.
pub async fn answer(
    reader: &Reader<'_>,
    question: SnapshotQuestion<'_>,
) -> Result<AnsweredQuestion, Failure> {
    let SnapshotQuestion { id, parameters, has_personal, memory_limit_bytes } = question;
    let questions = reader.questions()?;
    let question = questions.find(id).map_err(of_question)?;
    let request = WorkerRequest {
        tenant: reader.tenant.name().to_owned(),
        query: Asked::Question(question.id.clone()),
        parameters: parameters.clone(),
        as_of: None,
        compare_with: None,
        format: AnswerFormat::Json { limit: MAX_ROWS },
        user: "export html".to_owned(),
        role: if has_personal { Role::Analyst } else { Role::Viewer },
    };
    let terms = Terms { memory_limit_bytes, remedy: "add --with-personal" };
    let mut written = Vec::new();
    answered(reader, terms, &request, &mut written).await?;
    // The first line only says that there is an answer.
    let body = written.split(|byte| *byte == b'\n').nth(1).unwrap_or_default();
    let answer: QueryAnswer = serde_json::from_slice(body).map_err(anyhow::Error::new)?;
    let (title, description) = (question.title.clone(), question.description.clone());
    Ok(AnsweredQuestion { title, description, answer })
}

/// Refuses to replace what is not such a page.
///
/// # Errors
///
/// Another program, or a person, has written the file; or it cannot be read.
pub fn check_file(path: &Path) -> Result<(), Failure> {
    let mut begin = Vec::new();
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
        // A named pipe would wait for a writer.
        Ok(found) if !found.is_file() => Ok(0),
        Ok(_) => File::open(path)
            .and_then(|file| file.take(SNAPSHOT_MARK.len() as u64).read_to_end(&mut begin)),
    }
    .with_context(|| format!("cannot read {}", path.display()))?;
    if begin == SNAPSHOT_MARK.as_bytes() {
        return Ok(());
    }
    Err(Failure::configuration(format!(
        "{} is there already, and `export html` did not write it: choose another name",
        path.display()
    )))
}

#[cfg(test)]
mod tests {
    use core_engine::FailureKind;
    use tempfile::TempDir;

    use super::*;
    use crate::testing::Fixture;

    async fn asked(fixture: &Fixture, id: &str) -> Result<AnsweredQuestion, Failure> {
        let reader = Reader { folder: Some(fixture.folder.path()), ..fixture.reader(None) };
        let parameters = BTreeMap::new();
        let memory_limit_bytes = 64 * 1024 * 1024;
        let question = SnapshotQuestion {
            id,
            parameters: &parameters,
            has_personal: false,
            memory_limit_bytes,
        };
        answer(&reader, question).await
    }

    #[tokio::test]
    async fn a_page_has_the_title_and_the_rows_of_a_question() {
        let fixture = Fixture::estate();
        let text = "[[question]]\nid = 'names'\ntitle = 'Which?'\ndescription = 'All.'\nlanguage = 'sql'\n\
                    query = 'select name from nexthink_device'\n";
        let folder = fixture.folder.path().join("questions");
        std::fs::create_dir_all(&folder).expect("there is room");
        std::fs::write(folder.join("own.toml"), text).expect("it is ours");
        let answered = asked(&fixture, "names").await.map_err(|failure| failure.error);
        let answered = answered.expect("it is a question");
        assert_eq!((answered.title.as_str(), answered.description.as_str()), ("Which?", "All."));
        let unknown = asked(&fixture, "nanes").await.expect_err("it is misspelt");
        assert_eq!(unknown.kind, FailureKind::Configuration);
        assert!(unknown.error.to_string().contains("names"), "{}", unknown.error);
    }

    #[test]
    fn only_a_page_of_before_is_replaced() {
        let folder = TempDir::new().expect("a folder can be made");
        let path = folder.path().join("a.html");
        let check = || check_file(&path).map_err(|failure| failure.error.to_string());
        check().expect("there is no file yet");
        for (text, is_ours) in [
            (format!("{SNAPSHOT_MARK}<html>"), true),
            ("<html>".to_owned(), false),
            (String::new(), false),
        ] {
            core_files::replace_file(&path, text.as_bytes()).expect("there is room");
            assert_eq!(check().is_ok(), is_ours, "{text}");
        }
        let refused = check().expect_err("it is empty");
        assert!(refused.contains("`export html` did not write it"), "{refused}");
        assert!(check_file(folder.path()).is_err(), "a folder is no page");
    }
}
