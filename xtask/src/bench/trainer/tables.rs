//! The tables to train on: real ones with the split of their reference, and made-up ones.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::generate;

/// A table with what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    task: Task,
    target: &'static str,
    numbers: &'static [&'static str],
    categories: &'static [&'static str],
    origin: Origin,
}

/// What kind of answer is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Task {
    /// A number.
    Regression,
    /// A class.
    Classification,
}

/// Where the rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// `NAME.csv`, with `split_NAME.csv` that gives the rows of each part in their order.
    Split,
    /// `NAME_train.csv` and `NAME_test.csv`.
    Parts,
    /// Made up, so many rows.
    Generated(usize),
}

/// From so many rows on a table is large: see [`super::cases::Case::large`].
const LARGE: usize = 500_000;

/// All tables, small ones first.
pub const TABLES: [Table; 10] = [
    Table {
        name: "time_to_dispatch",
        task: Task::Regression,
        target: "hours_to_dispatch",
        numbers: &["orders_placed"],
        categories: &["product_code"],
        origin: Origin::Split,
    },
    Table {
        name: "penguins",
        task: Task::Classification,
        target: "species",
        numbers: &["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "year"],
        categories: &["island", "sex"],
        origin: Origin::Split,
    },
    Table {
        name: "titanic",
        task: Task::Classification,
        target: "Survived",
        numbers: &["Pclass", "Age", "SibSp", "Parch", "Fare"],
        categories: &["Sex", "Embarked"],
        origin: Origin::Split,
    },
    Table {
        name: "california_housing",
        task: Task::Regression,
        target: "median_house_value",
        numbers: &[
            "longitude",
            "latitude",
            "housing_median_age",
            "total_rooms",
            "total_bedrooms",
            "population",
            "households",
            "median_income",
        ],
        categories: &["ocean_proximity"],
        origin: Origin::Split,
    },
    Table {
        name: "adult",
        task: Task::Classification,
        target: "income",
        numbers: &["age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"],
        categories: &[
            "workclass",
            "education",
            "marital_status",
            "occupation",
            "relationship",
            "race",
            "sex",
            "native_country",
        ],
        origin: Origin::Parts,
    },
    Table {
        name: "crime_sample",
        task: Task::Classification,
        target: "caught",
        numbers: &[],
        // `outcome` tells the answer.
        categories: &["force", "crime", "month"],
        origin: Origin::Split,
    },
    generated("regression_100k", Task::Regression, 100_000),
    generated("classification_100k", Task::Classification, 100_000),
    generated("regression_1m", Task::Regression, 1_000_000),
    generated("classification_1m", Task::Classification, 1_000_000),
];

const fn generated(name: &'static str, task: Task, rows: usize) -> Table {
    Table {
        name,
        task,
        target: generate::TARGET,
        numbers: &generate::NUMBERS,
        categories: &generate::CATEGORIES,
        origin: Origin::Generated(rows),
    }
}

/// A table as one CSV file with only the columns to use, the target, and `set`, which says `train` or `test`.
#[derive(Clone, Debug, Serialize)]
pub struct Prepared {
    /// Name of the table.
    #[serde(skip)]
    pub name: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What is learned.
    pub task: Task,
    /// The column to predict.
    pub target: &'static str,
    /// The columns to predict it from.
    pub features: Vec<Feature>,
    /// Rows to train on.
    #[serde(skip)]
    pub train_rows: usize,
    /// Rows to test on.
    #[serde(skip)]
    pub test_rows: usize,
    /// Whether only quick estimators are measured on both sides.
    #[serde(skip)]
    pub large: bool,
}

/// A column.
#[derive(Clone, Debug, Serialize)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// Number or Category.
    pub kind: Kind,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// Numbers, some of them perhaps missing.
    Number,
    /// Texts.
    Category,
}

impl Table {
    /// The files it is made from.
    fn files(&self) -> Vec<String> {
        let name = self.name;
        match self.origin {
            Origin::Split => vec![format!("{name}.csv"), format!("split_{name}.csv")],
            Origin::Parts => vec![format!("{name}_train.csv"), format!("{name}_test.csv")],
            Origin::Generated(_) => Vec::new(),
        }
    }

    /// Whether the table is made up and large.
    pub fn is_large(&self) -> bool {
        matches!(self.origin, Origin::Generated(rows) if rows >= LARGE)
    }

    /// Writes the table into the folder `into`, from files in the first of `folders` that has them. `None` where none has.
    pub fn prepare(&self, folders: &[PathBuf], into: &Path) -> Result<Option<Prepared>> {
        let files = self.files();
        let has_all = |folder: &&PathBuf| files.iter().all(|file| folder.join(file).is_file());
        let Some(folder) = folders.iter().find(has_all) else { return Ok(None) };
        let sources: Vec<PathBuf> = files.iter().map(|file| folder.join(file)).collect();
        fs::create_dir_all(into)?;
        let path = into.join(format!("{}.csv", self.name));
        let [train_rows, test_rows] = match (self.origin, sources.as_slice()) {
            (Origin::Generated(rows), _) => self.generate(rows, &path)?,
            (origin, [first, second]) => {
                let mut rows = Rows::create(self, &path)?;
                if origin == Origin::Split {
                    rows.copy_split(first, second)?;
                } else {
                    rows.copy_parts(first, second)?;
                }
                rows.finish()?
            }
            _ => [0, 0],
        };
        let features = self.numbers.iter().map(|name| Feature { name, kind: Kind::Number });
        let categories = self.categories.iter().map(|name| Feature { name, kind: Kind::Category });
        Ok(Some(Prepared {
            name: self.name,
            path,
            task: self.task,
            target: self.target,
            features: features.chain(categories).collect(),
            train_rows,
            test_rows,
            large: self.is_large(),
        }))
    }

    fn generate(&self, rows: usize, path: &Path) -> Result<[usize; 2]> {
        if !path.exists() {
            let part = path.with_extension("part");
            let mut to = BufWriter::new(File::create(&part)?);
            let target = match self.task {
                Task::Regression => generate::Target::Number,
                Task::Classification => generate::Target::Class,
            };
            generate::write(rows, target, 1, &mut to)?;
            to.flush()?;
            fs::rename(part, path)?;
        }
        Ok([rows - rows / 5, rows / 5])
    }
}

/// A prepared file while it is written.
struct Rows {
    writer: csv::Writer<File>,
    columns: Vec<&'static str>,
    written: [usize; 2],
}

impl Rows {
    fn create(table: &Table, path: &Path) -> Result<Rows> {
        let mut columns = [table.numbers, table.categories].concat();
        columns.push(table.target);
        let mut writer = csv::Writer::from_path(path)?;
        writer.write_record(columns.iter().copied().chain(["set"]))?;
        Ok(Rows { writer, columns, written: [0, 0] })
    }

    fn copy_split(&mut self, table: &Path, split: &Path) -> Result<()> {
        let (header, records) = read(table)?;
        for entry in read(split)?.1 {
            let row: usize = entry.get(1).unwrap_or_default().parse().with_context(|| split.display().to_string())?;
            let record = records.get(row).with_context(|| format!("{} has no row {row}", table.display()))?;
            self.write(&header, record, entry.get(0).unwrap_or_default())?;
        }
        Ok(())
    }

    fn copy_parts(&mut self, train: &Path, test: &Path) -> Result<()> {
        for (path, set) in [(train, "train"), (test, "test")] {
            let (header, records) = read(path)?;
            records.iter().try_for_each(|record| self.write(&header, record, set))?;
        }
        Ok(())
    }

    fn write(&mut self, header: &csv::StringRecord, record: &csv::StringRecord, set: &str) -> Result<()> {
        let cells = self.columns.iter().map(|column| {
            let place = header.iter().position(|name| name == *column);
            let cell = place.and_then(|place| record.get(place)).with_context(|| format!("no column {column}"))?;
            // A category of its own on both sides, not a missing value on one of them.
            Ok(if cell == "?" { "unknown" } else { cell })
        });
        let cells: Vec<&str> = cells.chain([Ok(set)]).collect::<Result<_>>()?;
        self.writer.write_record(cells)?;
        self.written[usize::from(set == "test")] += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<[usize; 2]> {
        ensure!(self.written.iter().all(|&rows| rows > 0), "a part of the table is empty");
        self.writer.flush()?;
        Ok(self.written)
    }
}

fn read(path: &Path) -> Result<(csv::StringRecord, Vec<csv::StringRecord>)> {
    let mut reader = csv::Reader::from_path(path)?;
    let header = reader.headers()?.clone();
    let records = reader.records().collect::<Result<_, _>>().with_context(|| path.display().to_string())?;
    Ok((header, records))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_a_split_come_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let table = Table {
            name: "t",
            task: Task::Regression,
            target: "y",
            numbers: &["b"],
            categories: &["a"],
            origin: Origin::Split,
        };
        let into = folder.path().join("prepared");
        let folders = [folder.path().to_owned()];
        assert!(table.prepare(&folders, &into).unwrap().is_none(), "there are no files yet");
        fs::write(folder.path().join("t.csv"), "a,unused,b,y\n\"x, y\",-,0,10\n?,-,1,11\nz,-,2,12\n").unwrap();
        fs::write(folder.path().join("split_t.csv"), "set,row\ntrain,2\ntrain,0\ntest,1\n").unwrap();
        let prepared = table.prepare(&folders, &into).unwrap().unwrap();
        assert_eq!((prepared.train_rows, prepared.test_rows), (2, 1));
        let text = fs::read_to_string(prepared.path).unwrap();
        assert_eq!(text, "b,a,y,set\n2,z,12,train\n0,\"x, y\",10,train\n1,unknown,11,test\n");
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = TABLES.iter().map(|table| table.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLES.len());
    }
}
