// SPDX-License-Identifier: Apache-2.0

public import Logging
public import ServiceLifecycle
internal import UnixSignals
public import WeirServing
public import WeirStreaming

/// Serves streams over HTTP, and a catalog beside them (docs/streams-api.md).
///
/// A request's head and body are read within limits of size and time, as `CatalogServer` does, and
/// rows are made of a body while it comes. No thread waits for a log: the answer is sent when the
/// stream says that the rows are durable.
public struct StreamServer: Service {
  private let responder: StreamResponder
  private let configuration: StreamServerConfiguration
  private let logger: Logger
  private let onReady: @Sendable (CatalogServerAddress) -> Void

  /// - Parameters:
  ///   - serving: answers the serving API (docs/serving.md).
  ///   - catalog: answers all other paths on the same port; its own address is not used.
  ///   - onReady: called once, when the server accepts connections.
  ///   - onAccess: called for each answer; the access log.
  public init(
    streams: any StreamService, serving: Serving? = nil, catalog: CatalogServer? = nil,
    access: AccessPolicy,
    configuration: StreamServerConfiguration, logger: Logger = CatalogServer.quietLogger,
    onReady: @escaping @Sendable (CatalogServerAddress) -> Void,
    onAccess: (@Sendable (AccessRecord) -> Void)? = nil
  ) {
    self.configuration = configuration
    self.logger = logger
    self.onReady = onReady
    responder = StreamResponder(
      service: streams, access: access, configuration: configuration,
      catalog: catalog?.responder, serving: serving, onAccess: onAccess)
  }

  /// Serves until the process gets SIGTERM or SIGINT, then stops as `run()` does.
  public func runUntilSignalled() async throws {
    let group = ServiceGroup(
      configuration: .init(
        services: [.init(service: self)], gracefulShutdownSignals: [.sigterm, .sigint],
        logger: logger))
    try await group.run()
  }

  /// Serves until the service group stops it: then no new connection is taken, requests that run are
  /// answered, tails end, and connections are closed.
  public func run() async throws {
    responder.workers.start()
    let result: Result<Void, any Error>
    do {
      try await withGracefulShutdownHandler {
        try await runServer(
          responder, limits: configuration.limits, logger: logger, onReady: onReady)
      } onGracefulShutdown: {
        responder.stop.set()
      }
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await responder.workers.stop()
    try result.get()
  }
}
