// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Hummingbird
internal import HummingbirdCore
public import Logging
internal import NIOCore
public import ServiceLifecycle
internal import UnixSignals
public import WeirStorage
public import WeirTable

/// Serves a catalog over HTTP, by the Iceberg REST catalog API.
///
/// A request goes through these steps: its head and body are read within limits of size and time; it
/// waits for one of a few threads, in a queue that is bounded; the thread works out the answer, with
/// calls that block; the answer is sent. A request that cannot wait any longer is refused with status
/// 503 and has no effect. One that was started and takes longer than the limit is answered with 503,
/// or with 504 when it may have changed something; what it does comes to its end all the same.
public struct CatalogServer: Service {
  let responder: CatalogResponder
  private let configuration: CatalogServerConfiguration
  private let logger: Logger
  private let onReady: @Sendable (CatalogServerAddress) -> Void

  /// - Parameters:
  ///   - stores: the stores of the catalog's tables, confined to where clients may put tables.
  ///   - onReady: called once, when the server accepts connections.
  ///   - onAccess: called for each answer; the access log.
  public init(
    catalog: any Catalog, stores: ObjectStores, access: AccessPolicy,
    configuration: CatalogServerConfiguration, logger: Logger = CatalogServer.quietLogger,
    onReady: @escaping @Sendable (CatalogServerAddress) -> Void,
    onAccess: (@Sendable (AccessRecord) -> Void)? = nil
  ) {
    self.configuration = configuration
    self.logger = logger
    self.onReady = onReady
    responder = CatalogResponder(
      service: RESTService(
        catalog: catalog, stores: stores, access: access, configuration: configuration),
      configuration: configuration, onAccess: onAccess)
  }

  /// Writes errors of the server, not of requests, to standard error.
  public static let quietLogger: Logger = {
    var logger = Logger(label: "weir.catalog") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = .error
    return logger
  }()

  /// Serves until the process gets SIGTERM or SIGINT, then stops as `run()` does.
  public func runUntilSignalled() async throws {
    let group = ServiceGroup(
      configuration: .init(
        services: [.init(service: self)], gracefulShutdownSignals: [.sigterm, .sigint],
        logger: logger))
    try await group.run()
  }

  /// Serves until the service group stops it: then no new connection is taken, requests that run are
  /// answered, and connections are closed.
  public func run() async throws {
    responder.workers.start()
    do {
      try await runServer(responder, limits: configuration, logger: logger, onReady: onReady)
    } catch {
      await responder.workers.stop()
      throw error
    }
    await responder.workers.stop()
  }
}

/// Serves HTTP/1.1 within the limits of `limits` until the service group stops it.
func runServer(
  _ responder: some HTTPResponder<CatalogResponder.Context>, limits: CatalogServerConfiguration,
  logger: Logger, onReady: @escaping @Sendable (CatalogServerAddress) -> Void
) async throws {
  let connections = OpenConnections(
    countMax: min(limits.connectionCountMax, raisedDescriptorCount() - 256))
  let server = HTTPServerBuilder.http1(
    configuration: .init(
      additionalChannelHandlers: [
        ConnectionLimits(
          requestTime: .seconds(Int64(limits.requestReadSecondsMax)),
          stallTime: .seconds(Int64(limits.requestReadSecondsMax)),
          bodyByteCountMax: 2 * limits.requestByteCountMax, connections: connections)
      ],
      idleTimeout: .seconds(Int64(limits.idleSecondsMax)),
      httpDecoderConfiguration: .init(
        maxHeaderFieldSize: limits.headerByteCountMax,
        maxHeaderListSize: limits.headerByteCountMax, maxHeaderFieldCount: 100)))
  let application = Application(
    responder: responder,
    server: server,
    configuration: ApplicationConfiguration(
      address: .hostname(limits.host, port: limits.port),
      serverName: "weir"),
    onServerRunning: { channel in
      guard let address = channel.localAddress else { return }
      onReady(CatalogServerAddress(host: limits.host, port: address.port ?? limits.port))
    },
    logger: logger)
  try await application.run()
}

/// The number of files and connections that the process may have open, made as large as it may be.
private func raisedDescriptorCount() -> Int {
  var limit = rlimit()
  guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1_024 }
  if limit.rlim_cur < limit.rlim_max {
    var raised = limit
    raised.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 1 << 16))
    if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
  }
  return Int(clamping: max(limit.rlim_cur, 320))
}

/// Where a server listens.
public struct CatalogServerAddress: Sendable {
  public var host: String
  public var port: Int

  /// What clients take as the catalog's URI.
  public var uri: String {
    let host = host.contains(":") ? "[\(host)]" : host
    return "http://\(host):\(port)"
  }
}

/// One answered request, for the access log.
public struct AccessRecord: Sendable {
  public var client: String
  public var method: String
  /// Path and query as sent.
  public var target: String
  public var status: Int
  public var requestByteCount: Int
  public var responseByteCount: Int
  public var microseconds: Int
}
