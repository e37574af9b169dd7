// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirCompression
internal import WeirFile
internal import WeirParquet
internal import WeirStorage

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Convert Parquet, Weir, Arrow IPC or CSV to Parquet, Weir or Arrow IPC.",
    discussion: """
      The output's name tells its format: .parquet, .weir, .arrow or .feather (Arrow IPC file), .arrows (Arrow \
      IPC stream); --to overrides it. Rows are streamed: memory is bounded by one row group. The output \
      appears when it is complete; nothing is left behind when something fails.

      The types of CSV columns are guessed from the first 5,000 records; a later value that does not \
      fit is an error that names its line.

      Examples:
        weir file convert events.csv.gz events.parquet
        weir file convert in.parquet out.parquet --codec zstd --level 9 --bloom user_id
        weir file convert in.parquet small.arrow --columns user_id,item_id
        weir file convert in.parquet out.weir --quantise embedding=0.01,score=0.001
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument {
    case parquet, weir, arrow, arrows
  }

  enum Profile: String, CaseIterable, ExpressibleByArgument {
    case fast, compact
  }

  @Argument(help: "The file to read.", completion: .file())
  var input: String

  @Argument(help: "The file to write.", completion: .file())
  var output: String

  @OptionGroup var selection: ColumnSelection

  @Option(name: .long, help: "The output's format, whatever its name.")
  var to: Format?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "zstd (default of Parquet), snappy, gzip, lz4_raw, brotli or none; lz4, zstd or none for Arrow.",
      valueName: "name"))
  var codec: String?

  @Option(name: .long, help: ArgumentHelp("The codec's level.", valueName: "number"))
  var level: Int?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Of a Weir file: fast (default), or compact, smaller and slower to decode.",
      valueName: "name"))
  var profile: Profile?

  @Option(
    name: .long, help: ArgumentHelp("Bytes of rows that make a row group.", valueName: "bytes"))
  var rowGroupBytes: ByteCount?

  @Option(
    name: .long, help: ArgumentHelp("Uncompressed bytes of a page, roughly.", valueName: "bytes"))
  var pageBytes: ByteCount?

  @Option(
    name: .long,
    help: ArgumentHelp("Columns that get a bloom filter, separated by commas.", valueName: "names"))
  var bloom: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Of a Weir file: columns by whose values rows are looked up, separated by commas.",
      valueName: "names"))
  var key: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Of a Weir file: columns of float32 or of lists of it that may be rounded, and by how much.",
      valueName: "name=difference"))
  var quantise: String?

  @Flag(name: .long, help: "Only encodings that old readers know: PLAIN and dictionaries.")
  var compatible = false

  @Flag(name: .long, inversion: .prefixedNo, help: "Use dictionaries where they help.")
  var dictionary = true

  @Flag(name: [.short, .long], help: "Replace the output when it is there.")
  var force = false

  private var format: Format? {
    if let to { return to }
    let name = output.lowercased()
    if name.hasSuffix(".parquet") || name.hasSuffix(".pq") { return .parquet }
    if name.hasSuffix(".weir") { return .weir }
    if name.hasSuffix(".arrows") { return .arrows }
    if name.hasSuffix(".arrow") || name.hasSuffix(".feather") { return .arrow }
    return nil
  }

  func validate() throws {
    guard let format else {
      throw ValidationError(
        "the name '\(output)' does not tell its format; end it in .parquet, .weir, .arrow or .arrows, "
          + "or add --to")
    }
    if (profile != nil || key != nil || quantise != nil) && format != .weir {
      throw ValidationError("--profile, --key and --quantise are for Weir files only")
    }
    _ = try bounds()
    if format == .weir && (codec != nil || level != nil) {
      throw ValidationError("--codec and --level are not for Weir files; --profile is")
    }
    if let codec {
      let known = Codec(name: codec)
      let allowed: [Codec] =
        format == .parquet
        ? [.none, .snappy, .gzip, .zstd, .lz4Raw, .brotli] : [.none, .lz4Frame, .zstd]
      guard let known, allowed.contains(known) else {
        throw ValidationError(
          "--codec \(codec) is not one of "
            + allowed.map(\.name).joined(separator: ", ") + " for \(format.rawValue)")
      }
    }
    if let level {
      let chosen = codec.flatMap(Codec.init(name:)) ?? (format == .parquet ? .zstd : .none)
      guard let levels = chosen.levels else {
        throw ValidationError("--level: codec \(chosen.name) has no levels; leave --level out")
      }
      guard levels.contains(level) else {
        throw ValidationError(
          "--level \(level): codec \(chosen.name) has levels \(levels.lowerBound) to "
            + "\(levels.upperBound)")
      }
    }
    if format != .parquet && (bloom != nil || rowGroupBytes != nil || pageBytes != nil) {
      throw ValidationError("--bloom, --row-group-bytes and --page-bytes are for Parquet only")
    }
  }

  /// The columns to round, with the differences allowed.
  private func bounds() throws -> [String: Double] {
    var result: [String: Double] = [:]
    for part in (quantise ?? "").split(separator: ",").map(\.trimmed) {
      guard let sign = part.lastIndex(of: "="), sign > part.startIndex,
        let bound = Double(part[part.index(after: sign)...].trimmed), bound > 0, bound.isFinite
      else {
        throw ValidationError(
          "--quantise has '\(part)'; give a column and a difference above 0, as embedding=0.01")
      }
      result[part[..<sign].trimmed] = bound
    }
    return result
  }

  func run() throws {
    let clock = ContinuousClock()
    let start = clock.now
    let rows = try InputFile.rows(
      input, columns: try selection.names(), batchRows: format == .parquet ? 65_536 : 32_768)
    let sink = try createOutput()
    let progress = Progress()
    defer { progress.clear() }
    var count = 0
    do {
      let writer = try makeWriter(sink, schema: rows.reader.schema)
      while let batch = try rows.reader.next() {
        try writer.write(batch)
        count += batch.rowCount
        progress.update("converting", fraction: rows.fraction(count)) {
          let rate = Double(count) / max(1e-9, (clock.now - start).inSeconds)
          return "\(Numbers.grouped(count)) rows, \(Numbers.compact(rate))/s"
        }
      }
      try writer.close()
    } catch {
      sink.abort()
      throw error
    }
    progress.clear()
    let before = try InputFile.open(input).size
    let after = try InputFile.open(output).size
    Terminal.writeLine(
      "\(TextWidth.printable(output)): \(Numbers.counted(count, "row", "rows")), "
        + "\(Numbers.bytes(after)) (from \(Numbers.bytes(before))) in "
        + Numbers.seconds(clock.now - start))
  }

  private func createOutput() throws -> any ObjectWriter {
    do throws(StorageError) {
      return try LocalFile.create(output, overwrite: force)
    } catch {
      guard error.code == .alreadyExists else { throw error }
      throw CommandFailure(
        "\(output): the file is already there and was kept",
        hint: "Add --force to replace it, or give another name.")
    }
  }

  /// What takes the batches, and what ends the file.
  private struct Writer {
    let write: (RecordBatch) throws -> Void
    let close: () throws -> Void

    init(_ write: @escaping (RecordBatch) throws -> Void, close: @escaping () throws -> Void) {
      self.write = write
      self.close = close
    }

    /// For a writer that leaves its sink to the caller.
    init(
      _ write: @escaping (RecordBatch) throws -> Void, finish: @escaping () throws -> Void,
      _ sink: any ObjectWriter
    ) {
      self.init(write) {
        try finish()
        _ = try sink.finish()
      }
    }
  }

  private func makeWriter(_ sink: any ObjectWriter, schema: Schema) throws -> Writer {
    switch format ?? .parquet {
    case .parquet:
      let writer = try ParquetWriter(sink, schema: schema, options: try parquetOptions(schema))
      return Writer(writer.write, close: { _ = try writer.close() })
    case .weir:
      var options = WeirFileWriteOptions()
      options.fileName = output
      options.profile = profile == .compact ? .compact : .fast
      options.keyColumns = (key ?? "").split(separator: ",").map(\.trimmed)
      options.quantise = try bounds()
      for name in options.keyColumns + options.quantise.keys.sorted() where schema[name] == nil {
        throw InputFile.missingColumn(name, known: schema.fields.map(\.name), input)
      }
      let writer = try WeirFileWriter(sink, schema: schema, options: options)
      return Writer(writer.write, close: { _ = try writer.close() })
    case .arrow:
      let writer = try ArrowFileWriter(schema: schema, options: arrowOptions()) {
        try sink.append($0)
      }
      return Writer(writer.write, finish: writer.finish, sink)
    case .arrows:
      let writer = try ArrowStreamWriter(schema: schema, options: arrowOptions()) {
        try sink.append($0)
      }
      return Writer(writer.write, finish: writer.finish, sink)
    }
  }

  private func arrowOptions() -> ArrowWriteOptions {
    switch codec.flatMap(Codec.init(name:)) {
    case .lz4Frame: ArrowWriteOptions(compression: .lz4Frame, level: level)
    case .zstd: ArrowWriteOptions(compression: .zstd, level: level)
    default: ArrowWriteOptions()
    }
  }

  private func parquetOptions(_ schema: Schema) throws -> ParquetWriteOptions {
    var options = ParquetWriteOptions()
    options.fileName = output
    if let codec, let known = Codec(name: codec) { options.codec = known }
    options.level = level
    options.dictionary = dictionary
    options.encodings = compatible ? .widest : .all
    options.pageVersion = compatible ? .v1 : options.pageVersion
    if let rowGroupBytes { options.rowGroupBytesMax = rowGroupBytes.value }
    if let pageBytes { options.pageBytesMax = pageBytes.value }
    for name in (bloom ?? "").split(separator: ",").map(\.trimmed) {
      let top = name.split(separator: ".").first.map(String.init) ?? name
      guard schema[top] != nil else {
        throw InputFile.missingColumn(name, known: schema.fields.map(\.name), input)
      }
      options.columns[name] = ParquetWriteOptions.Column(
        bloomFilter: ParquetWriteOptions.BloomFilter())
    }
    return options
  }
}

/// `1048576`, `64MiB`, `128MB`
struct ByteCount: ExpressibleByArgument {
  let value: Int

  init?(argument: String) {
    let digits = argument.prefix { $0.isASCII && $0.isNumber }
    let unit = argument.dropFirst(digits.count).lowercased()
    let units = [
      "": 1, "b": 1, "kb": 1_000, "mb": 1_000_000, "gb": 1_000_000_000, "k": 1 << 10,
      "m": 1 << 20, "g": 1 << 30, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
    ]
    guard let number = Int(digits), let scale = units[unit], number > 0 else { return nil }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: scale)
    guard !overflow, bytes <= 1 << 40 else { return nil }
    value = bytes
  }

  var defaultValueDescription: String { "\(value)" }
}
