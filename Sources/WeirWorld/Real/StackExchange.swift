// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

extension RealData {
  /// The questions of one Stack Exchange site, and who asked, answered, commented and kept them.
  @Sendable
  static func stackexchange(_ folder: String) -> DataSet {
    let attribution =
      "Stack Exchange Inc. and contributors (quantumcomputing.stackexchange.com, 2018-09)"
    let metadata = DataSet.metadata(
      "stackexchange", attribution: attribution, licence: "CC BY-SA 4.0")
    let path = "\(folder)/events.csv.gz"
    let questions = "\(folder)/questions.csv.gz"
    let events = [
      CSVColumn(EventSchema.eventTime, from: "ts"),
      CSVColumn(EventSchema.userID, from: "user"),
      CSVColumn(EventSchema.itemID, from: "question"),
      CSVColumn(EventSchema.event, from: "event"),
      CSVColumn(EventSchema.value, .null),
    ]
    var tables = [
      DataSet.Table(name: "events", sources: [path], opener: csv(path, events, metadata))
    ]
    if FileProbe.size(questions) != nil {
      let columns = dimension([
        CSVColumn(Field("item_id", .int64, nullable: false), from: "question_id"),
        CSVColumn(
          Field("created_at", EventSchema.eventTime.type, nullable: false), from: "created_at"),
        CSVColumn(Field("title", .utf8), from: "title"),
        CSVColumn(Field("tags", .utf8), from: "tags"),
        CSVColumn(Field("score", .int32), from: "score"),
        CSVColumn(Field("views", .int32), from: "views"),
        CSVColumn(Field("body", .utf8), from: "body"),
      ])
      tables.append(
        DataSet.Table(
          name: "items", sources: [questions], opener: csv(questions, columns, metadata)))
    }
    return DataSet(
      name: "stackexchange", title: "Stack Exchange",
      summary: "questions on quantum computing and who took part",
      attribution: attribution, licence: "CC BY-SA 4.0", valueName: nil, tables: tables,
      itemLabels: ["title"])
  }
}
