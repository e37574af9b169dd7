// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import WeirColumnar
internal import WeirConnect
internal import WeirHTTP
internal import WeirStorage
internal import WeirTable

struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serve a catalog over HTTP, by the Apache Iceberg REST catalog API.",
    discussion: """
      Any client of that API can use the tables: PyIceberg, Spark, Trino, DuckDB. When the server \
      accepts connections it prints one line with its address. SIGTERM and SIGINT stop it when the \
      requests that run are answered.

      The server needs a token from everybody when --token or --clients is given. Without them it \
      listens only to this machine. It speaks plain HTTP; put a proxy with TLS before it where others \
      can listen.

      Examples:
        weir catalog serve --data warehouse
        weir catalog serve --data warehouse --catalog postgresql://localhost/weir --port 8181
        weir catalog serve --data warehouse --clients clients.json --host 0.0.0.0
      """)

  @Option(name: .long, help: "The folder for tables, made when it is not there.")
  var data: String

  @Option(name: .long, help: "The port; 0 takes a free one.")
  var port = 8181

  @Option(name: .long, help: "The interface to listen on.")
  var host = "127.0.0.1"

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Where names and pointers are kept: sqlite:FILE, postgresql://… or memory: (for trials). "
        + "The default is sqlite: with catalog.db in the folder of --data.", valueName: "address"))
  var catalog: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Where the tables are instead of in the folder, such as s3://bucket/warehouse; S3's endpoint and "
        + "credentials come from the usual AWS variables and files.", valueName: "location"))
  var tables: String?

  @Option(name: .long, help: "The name of the warehouse, which stands in paths.")
  var warehouse = "weir"

  @OptionGroup var accessOptions: AccessOptions

  @Option(
    name: .customLong("allow-location"),
    help: ArgumentHelp(
      "Tables may also lie here, with all below; may be given several times. Without it they lie in "
        + "the folder of --data.", valueName: "location"))
  var locations: [String] = []

  @Option(
    name: .long,
    help: "The format of tables whose makers name none; clients other than Weir may not write 3.")
  var formatVersion = 2

  @Option(name: .long, help: "Threads that work on requests.")
  var workers = 8

  @Flag(name: .long, help: "Print a line for each request to standard error.")
  var verbose = false

  func validate() throws {
    guard (0...65_535).contains(port) else { throw ValidationError("--port is not a port") }
    guard TableMetadata.formatVersions.contains(formatVersion) else {
      throw ValidationError("--format-version must be 1, 2 or 3")
    }
    guard (1...1_024).contains(workers) else {
      throw ValidationError("--workers must be between 1 and 1024")
    }
    guard CatalogServerConfiguration.isUsable(warehouseName: warehouse) else {
      throw ValidationError(
        "--warehouse '\(warehouse)' cannot stand in a path; take letters, digits, '-' and '_'")
    }
  }

  func run() async throws {
    Allocator.startBackgroundThread()
    let access = try accessOptions.policy(host: host)
    let folder = try DataFolder(data)
    let opened = try folder.open(catalog, tables: tables, others: locations)
    var configuration = CatalogServerConfiguration(warehouseLocation: tables ?? folder.location)
    configuration.host = host
    configuration.port = port
    configuration.warehouseName = warehouse
    configuration.workerCount = workers
    configuration.formatVersionDefault = formatVersion

    var onAccess: (@Sendable (AccessRecord) -> Void)?
    if verbose { onAccess = { record in Terminal.writeError(record.line) } }
    let server = CatalogServer(
      catalog: opened.catalog, stores: opened.stores, access: access, configuration: configuration,
      onReady: { address in
        // One line, and at once: whoever started the server waits for it.
        Terminal.write("weir catalog at \(address.uri)\n")
      },
      onAccess: onAccess)
    do {
      try await server.runUntilSignalled()
    } catch {
      throw CommandFailure(
        "the server on \(host):\(port) failed: \(error)",
        hint: "Is the port in use? --port 0 takes a free one.")
    }
  }
}

extension AccessRecord {
  /// The record as a line of the access log; nothing of the request can break the line.
  var line: String {
    let target = TextWidth.printable(String(target.prefix(2_048)))
    return "\(method) \(target) \(status) \(requestByteCount)>\(responseByteCount) B "
      + "\(microseconds) us \(TextWidth.printable(client))\n"
  }
}
