// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import WeirConnect
internal import WeirHTTP
internal import WeirLogKafka
internal import WeirPipelines
internal import WeirProject
internal import WeirRanker
internal import WeirServing
internal import WeirStreaming
internal import WeirTable

struct UpCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "up",
    abstract: "Run a project: its catalog and its streams, in one process.",
    discussion: """
      Reads the project file, makes what is missing, recovers what a crash left, and serves everything \
      on one port. When it accepts connections it prints where everything is; the first line is \
      'weir at ADDRESS'. SIGTERM and SIGINT stop it: requests that run are answered, rows in memory go \
      into the tables. After a kill the next start goes on where the logs end: nothing that was \
      acknowledged is lost.

      What happens is told on standard error, a line for each event: as text, or with --log-format json \
      as JSON objects (docs/streams-api.md).

      The service needs a token from everybody when --token or --clients is given. Without them it \
      listens only to this machine.

      Examples:
        weir up
        weir up shop/weir.yaml --port 8181
        weir up --data /var/lib/weir --clients clients.json --host 0.0.0.0
      """)

  @Argument(help: "The project file, or its folder.", completion: .file(extensions: ["yaml"]))
  var file = "weir.yaml"

  @Option(name: .long, help: "The folder for logs, catalog and tables, instead of the file's.")
  var data: String?

  @Option(name: .long, help: "The port, instead of the file's; 0 takes a free one.")
  var port: Int?

  @Option(name: .long, help: "The interface to listen on, instead of the file's.")
  var host: String?

  @OptionGroup var accessOptions: AccessOptions

  @Option(name: .long, help: "Threads that work on requests.")
  var workers = 8

  @Option(
    name: .long,
    help:
      "How events are written to standard error: \(ServiceLog.Format.allValueStrings.joined(separator: " or "))."
  )
  var logFormat = ServiceLog.Format.text

  @Flag(name: .long, help: "Write each request and each flush to standard error, too.")
  var verbose = false

  func validate() throws {
    if let port, !(0...65_535).contains(port) { throw ValidationError("--port is not a port") }
    guard (1...1_024).contains(workers) else {
      throw ValidationError("--workers must be between 1 and 1024")
    }
  }

  func run() async throws {
    Allocator.startBackgroundThread()
    let log = ServiceLog(logFormat, isVerbose: verbose)
    do {
      try await run(log)
    } catch {
      guard logFormat == .json, let message = CommandFailure.message(of: error) else { throw error }
      log.writeFailure(message)
      throw ExitCode(1)
    }
  }

  private func run(_ log: ServiceLog) async throws {
    let source = ProjectFile(file)
    var project = try source.read()
    if let port { project.server.port = port }
    if let host { project.server.host = host }
    let access = try accessOptions.policy(host: project.server.host)
    let folder = try DataFolder(data ?? source.resolved(project.data))
    let connection = try folder.open(
      catalogAddress(project, source), tables: project.warehouse, others: [])
    var environment = Self.environment(folder)
    environment.onEvent = { log.write($0) }
    let start = ContinuousClock.now
    let made =
      try project.pipelines.streams(sources: project.streams)
      + ModelDefinition.streams(project.models)
    let surfaces = try ServingSetup(project)
    let others = (made + surfaces.streams).map { stream in
      var stream = stream
      stream.maintenance = project.maintenance
      return stream
    }
    let streams = try Streams(
      (project.streams + others).map { try Self.withEnvironment($0) },
      catalog: connection.catalog,
      environment: environment)
    let care = try TableCare(
      streams, catalog: connection.catalog, budget: project.maintenanceBudget,
      environment: environment)
    streams.report(care: { [weak care] in care?.status ?? [] })
    let pipelines = try Pipelines(project.pipelines, streams: streams) { log.write($0) }
    let serving = try surfaces.start(streams, folder: source.resolved(".")) { log.write($0) }
    let count = project.streams.count + made.count + surfaces.streams.count
    log.write(
      StreamEvent(
        .info, "recovered", "\(count) \(count == 1 ? "stream is" : "streams are") open",
        counts: [("milliseconds", Int64((ContinuousClock.now - start).inSeconds * 1_000))]))
    do {
      try await serve(project, access, folder, connection, streams, serving, log)
    } catch {
      care.close()
      serving?.close()
      pipelines.close()
      _ = streams.close(drains: false)
      throw CommandFailure(
        "the server on \(project.server.host):\(project.server.port) failed: \(error)",
        hint: "Is the port in use? --port 0 takes a free one.")
    }
    log.write(StreamEvent(.info, "draining", "rows in memory go into the tables"))
    care.close()
    serving?.close()
    pipelines.close()
    _ = streams.close(drains: true)
    log.write(StreamEvent(.info, "stopped", "what is in no table yet is in the logs"))
  }

  /// A catalog's file is relative to the project file, as the data folder is.
  private func catalogAddress(_ project: Project, _ source: ProjectFile) -> String? {
    guard let address = project.catalog, address.hasPrefix("sqlite:") else {
      return project.catalog
    }
    return "sqlite:" + source.resolved(String(address.dropFirst("sqlite:".count)))
  }

  private static func environment(_ folder: DataFolder) -> StreamEnvironment {
    var name = [CChar](repeating: 0, count: 256)
    if gethostname(&name, 255) != 0 { name = [] }
    let text = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    let host = text.isEmpty ? "localhost" : String(decoding: text, as: UTF8.self)
    return StreamEnvironment(
      disk: SystemDisk(), folder: folder.path + "/streams", owner: "\(host):\(getpid())",
      openLog: StreamEnvironment.openDeclaredLog, openIndex: StreamEnvironment.openRocksIndex)
  }

  /// With settings of Kafka like `${NAME}`, which are mostly secrets, from the environment.
  private static func withEnvironment(_ stream: StreamDefinition) throws -> StreamDefinition {
    guard case .kafka(var source) = stream.log else { return stream }
    for (name, value) in source.settings where value.hasPrefix("${") && value.hasSuffix("}") {
      let variable = String(value.dropFirst(2).dropLast())
      guard let found = getenv(variable) else {
        throw CommandFailure(
          "the stream '\(stream.table)' takes its option '\(name)' from the environment, where there "
            + "is no \(variable)", hint: "Set \(variable).")
      }
      source.settings[name] = String(cString: found)
    }
    var result = stream
    result.log = .kafka(source)
    return result
  }

  private func serve(
    _ project: Project, _ access: AccessPolicy, _ folder: DataFolder, _ connection: Connection,
    _ streams: Streams, _ serving: RunningServing?, _ log: ServiceLog
  ) async throws {
    var limits = CatalogServerConfiguration(
      warehouseLocation: project.warehouse ?? folder.location)
    limits.host = project.server.host
    limits.port = project.server.port
    limits.workerCount = workers
    var onAccess: (@Sendable (AccessRecord) -> Void)?
    if verbose { onAccess = { log.write($0) } }
    let catalog = CatalogServer(
      catalog: connection.catalog, stores: connection.stores, access: access,
      configuration: limits, onReady: { _ in }, onAccess: onAccess)
    let names = project.streams.map(\.table.description)
    let made =
      project.profiles.map { ("profile ", $0.table) }
      + project.candidates.map { ("candidates", $0.table) }
      + project.examples.map { ("examples", $0.table) }
      + project.models.map { ("model   ", $0.table) }
    let surfaces = serving?.serving.names ?? []
    let data = folder.path
    let server = StreamServer(
      streams: streams, serving: serving?.serving, catalog: catalog, access: access,
      configuration: StreamServerConfiguration(limits: limits),
      onReady: { address in
        var text = "weir at \(address.uri)\n"
        text += "  catalog  \(address.uri)  (Iceberg REST)\n"
        text += "  data     \(data)\n"
        for name in names { text += "  stream   \(name)  \(address.uri)/v1/streams/\(name)\n" }
        for (kind, name) in made {
          text += "  \(kind) \(name)  \(address.uri)/v1/streams/\(name)\n"
        }
        for name in surfaces { text += "  surface  \(name)  \(address.uri)/v1/recommend\n" }
        text += "  metrics  \(address.uri)/metrics\n"
        // At once: whoever started the service waits for it.
        Terminal.write(text)
        log.write(StreamEvent(.info, "serving", "listening at \(address.uri)"))
      },
      onAccess: onAccess)
    try await server.runUntilSignalled()
  }
}
