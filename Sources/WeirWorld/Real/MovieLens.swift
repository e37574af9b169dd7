// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

extension RealData {
  /// The layouts that GroupLens publishes MovieLens in, by the names of their files.
  ///
  /// | file | releases | form |
  /// |---|---|---|
  /// | `ratings.csv`, `movies.csv` | 20M, 25M, 32M, latest | CSV with a header |
  /// | `ratings.dat`, `movies.dat` | 1M, 10M | fields with `::` between them |
  /// | `u.data`, `u.item` | 100K | fields with tabs, and with `|`, between them |
  ///
  /// - Returns: `nil` when none of the files of ratings is there.
  package static func movielens(_ folder: String) -> DataSet? {
    var tables: [DataSet.Table] = []
    for layout in [latest, dat, hundredK] where FileProbe.size("\(folder)/\(layout.ratings)") != nil
    {
      tables = [table("events", folder, layout.ratings, layout, eventColumns)]
      if FileProbe.size("\(folder)/\(layout.movies)") != nil {
        tables.append(table("items", folder, layout.movies, layout, layout.movieColumns))
      }
      break
    }
    guard !tables.isEmpty else { return nil }
    return DataSet(
      name: "movielens", title: "MovieLens", summary: "film ratings of 0.5 to 5 stars",
      attribution: "GroupLens Research, grouplens.org/datasets/movielens",
      licence: "see the README of the data set", valueName: "stars", tables: tables,
      itemLabels: ["title"])
  }

  private struct Layout: Sendable {
    var ratings: String
    var movies: String
    /// The names of fields, where the file's first line does not say them.
    var ratingHeader: String?
    var movieHeader: String?
    /// Between fields, where it is more than one byte.
    var ratingSeparator: [UInt8] = [0x2c]
    var movieSeparator: [UInt8] = [0x2c]
    /// Text is ISO 8859-1.
    var isLatin1 = false
    var movieColumns: [CSVColumn]
  }

  private static let latest = Layout(
    ratings: "ratings.csv", movies: "movies.csv", movieColumns: movieColumns(genres: true))

  private static let dat = Layout(
    ratings: "ratings.dat", movies: "movies.dat",
    ratingHeader: "userId\u{1f}movieId\u{1f}rating\u{1f}timestamp",
    movieHeader: "movieId\u{1f}title\u{1f}genres", ratingSeparator: [0x3a, 0x3a],
    movieSeparator: [0x3a, 0x3a], isLatin1: true, movieColumns: movieColumns(genres: true))

  private static let hundredK = Layout(
    ratings: "u.data", movies: "u.item",
    ratingHeader: "userId\u{1f}movieId\u{1f}rating\u{1f}timestamp",
    movieHeader: "movieId\u{1f}title\u{1f}released\u{1f}video\u{1f}url"
      + (0..<19).map { "\u{1f}genre\($0)" }.joined(),
    ratingSeparator: [0x09], movieSeparator: [0x7c], isLatin1: true,
    movieColumns: movieColumns(genres: false))

  private static let eventColumns = [
    CSVColumn(EventSchema.eventTime, from: "timestamp", timeForm: .unixSeconds),
    CSVColumn(EventSchema.userID, from: "userId"),
    CSVColumn(EventSchema.itemID, from: "movieId"),
    CSVColumn(EventSchema.event, .constant("rating")),
    CSVColumn(EventSchema.value, from: "rating"),
  ]

  private static func movieColumns(genres: Bool) -> [CSVColumn] {
    var columns = [
      CSVColumn(Field("item_id", .int64, nullable: false), from: "movieId"),
      CSVColumn(Field("title", .utf8), from: "title"),
    ]
    if genres { columns.append(CSVColumn(Field("genres", .utf8), from: "genres")) }
    return dimension(columns)
  }

  private static func table(
    _ name: String, _ folder: String, _ file: String, _ layout: Layout, _ columns: [CSVColumn]
  ) -> DataSet.Table {
    let path = "\(folder)/\(file)"
    let isRatings = name == "events"
    let header = isRatings ? layout.ratingHeader : layout.movieHeader
    let separator = isRatings ? layout.ratingSeparator : layout.movieSeparator
    let isLatin1 = layout.isLatin1
    let opener = TableOpener { () throws(WorldError) in
      var options = CSVOptions()
      var source = try FileSource.text(path)
      if let header {
        options.delimiter = FieldSource.separator
        options.quote = 0
        source = FieldSource(source, header: header, separator: separator, isLatin1: isLatin1)
      }
      return try CSVTable(source, columns: columns, options: options)
    }
    return DataSet.Table(name: name, sources: [path], opener: opener)
  }
}

/// Text without a header and with separators of its own, as text with a header and the separator
/// U+001F.
private final class FieldSource: ByteSource {
  static let separator: UInt8 = 0x1f

  private let source: any ByteSource
  private let between: [UInt8]
  private let isLatin1: Bool
  private var header: [UInt8]?
  /// The first byte of a separator of two, at the end of a piece.
  private var held = false

  var name: String { source.name }
  var consumedByteCount: Int { source.consumedByteCount }
  var totalByteCount: Int { source.totalByteCount }

  init(_ source: any ByteSource, header: String, separator: [UInt8], isLatin1: Bool) {
    self.source = source
    self.header = Array(header.utf8) + [0x0a]
    between = separator
    self.isLatin1 = isLatin1
  }

  func next() throws(WorldError) -> [UInt8]? {
    if let header {
      self.header = nil
      return header
    }
    while let piece = try source.next() {
      let result = translated(piece)
      if !result.isEmpty { return result }
    }
    guard held else { return nil }
    held = false
    return [between[0]]
  }

  private func translated(_ piece: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(piece.count + piece.count / 16)
    for byte in piece {
      if held {
        held = false
        if byte == between[1] {
          result.append(Self.separator)
          continue
        }
        result.append(between[0])
      }
      if byte == between[0] {
        if between.count == 1 { result.append(Self.separator) } else { held = true }
      } else if isLatin1 && byte >= 0x80 {
        result += [0xc0 | byte >> 6, 0x80 | byte & 0x3f]
      } else {
        result.append(byte)
      }
    }
    return result
  }
}
