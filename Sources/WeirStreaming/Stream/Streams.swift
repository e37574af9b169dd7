// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirTable

/// The streams that one process owns.
///
/// One thread for each shard writes its log; one more flushes all streams into their tables and keeps
/// the leases.
public final class Streams: StreamService {
  private let streams: [TableIdentifier: StreamTable]
  private let order: [TableIdentifier]
  private let environment: StreamEnvironment
  private let lease: StreamLease
  private let state = Mutex(State())

  private struct State {
    var worker: Worker?
    var unreadyReason: String?
    /// When leases are renewed next; microseconds.
    var renewTime: Int64 = 0
    var isClosed = false
    var pipelines: @Sendable () -> [PipelineStatus] = { [] }
    var care: @Sendable () -> [TableCareStatus] = { [] }
  }

  /// Opens the streams, and one for the dead letters of each.
  ///
  /// - Throws: what the first stream that cannot be opened says; those before it are closed again.
  public init(
    _ definitions: [StreamDefinition], catalog: any Catalog, environment: StreamEnvironment
  ) throws(StreamError) {
    self.environment = environment
    lease = try StreamLease(environment)
    var opened: [StreamTable] = []
    do throws(StreamError) {
      for definition in definitions {
        var lettersEnvironment = environment
        // The rows of a stream that is not in this folder can be had from anywhere; its dead letters
        // are in their table as far as the stream's table goes.
        if definition.log != .segments { lettersEnvironment.startsNewLogs = true }
        let letters = try StreamTable(
          DeadLetters.definition(of: definition), catalog: catalog,
          environment: lettersEnvironment, lease: lease)
        opened.append(letters)
        opened.append(
          try StreamTable(
            definition, catalog: catalog, environment: environment, lease: lease,
            deadLetters: letters))
      }
    } catch {
      for stream in opened { stream.close() }
      throw error
    }
    var streams: [TableIdentifier: StreamTable] = [:]
    for stream in opened { streams[stream.definition.table] = stream }
    self.streams = streams
    order = streams.keys.sorted { $0.description < $1.description }
    state.withLock { $0.renewTime = Self.renewal(environment) }
    guard environment.hasThreads else { return }
    // A flush takes seconds of a processor, and nobody waits for it.
    let worker = Worker(isBackground: true) { [weak self] in
      guard let self else { return .wait(nanoseconds: 1_000_000_000) }
      return maintain() ? .again : .wait(nanoseconds: 20_000_000)
    }
    state.withLock { $0.worker = worker }
  }

  private static func renewal(_ environment: StreamEnvironment) -> Int64 {
    environment.nowMicroseconds + StreamLease.durationMilliseconds * 1_000 / 3
  }

  public var tables: [TableIdentifier] { order }

  public var pipelines: [PipelineStatus] {
    let report = state.withLock { $0.pipelines }
    return report()
  }

  public func report(pipelines: @escaping @Sendable () -> [PipelineStatus]) {
    state.withLock { $0.pipelines = pipelines }
  }

  public var care: [TableCareStatus] {
    let report = state.withLock { $0.care }
    return report()
  }

  public func report(care: @escaping @Sendable () -> [TableCareStatus]) {
    state.withLock { $0.care = care }
  }

  public func stream(_ table: TableIdentifier) throws(StreamError) -> any ServedStream {
    try streamTable(table)
  }

  /// The stream of a table.
  public func streamTable(_ table: TableIdentifier) throws(StreamError) -> StreamTable {
    if let stream = streams[table] { return stream }
    let names = order.map(\.description).joined(separator: ", ")
    throw StreamError(
      .notFound, "no stream of that name was declared; there are: \(names)", stream: "\(table)")
  }

  public var unreadyReason: String? {
    if let reason = state.withLock({ $0.unreadyReason }) { return reason }
    for table in order {
      for shard in streams[table]?.shards ?? [] {
        if let failure = shard.logFailure { return "stream \(table), \(failure)" }
        do throws(StreamError) {
          try shard.checkReadable()
        } catch { return error.adding(stream: "\(table)").description }
      }
    }
    return nil
  }

  /// Flushes what is due, and renews leases.
  ///
  /// - Returns: whether something was flushed.
  private func maintain() -> Bool {
    var worked = false
    for table in order { worked = streams[table]?.flushIfDue() ?? false || worked }
    let now = environment.nowMicroseconds
    let renewTime = state.withLock { $0.renewTime }
    guard environment.isDue(renewTime, longest: StreamLease.durationMilliseconds * 1_000 / 3) else {
      return worked
    }
    var reason: String?
    for table in order {
      guard let stream = streams[table] else { continue }
      do throws(StreamError) {
        try stream.renewLease()
        stream.adoptOthersCommits()
      } catch {
        reason = reason ?? error.description
        // A catalog that does not answer has each of them wait.
        if error.code != .conflict { break }
      }
    }
    state.withLock { state in
      if reason != state.unreadyReason { note(lease: reason) }
      state.unreadyReason = reason
      state.renewTime = reason == nil ? Self.renewal(environment) : now + 1_000_000
    }
    return worked
  }

  private func note(lease reason: String?) {
    environment.onEvent(
      reason.map { StreamEvent(.warning, "lease_failed", "a lease could not be renewed: \($0)") }
        ?? StreamEvent(.info, "lease_renewed", "all leases are renewed again"))
  }

  /// For owners without threads: does what there is to do now.
  ///
  /// - Returns: whether there was something.
  @discardableResult
  public func step() -> Bool {
    var worked = false
    for table in order { worked = streams[table]?.step() ?? false || worked }
    return maintain() || worked
  }

  /// Ends all use.
  ///
  /// - Parameter drains: brings what is in memory into the tables first. Without, or when a table does
  ///   not take it, it is read from the logs the next time: nothing is lost.
  /// - Returns: what kept tables from taking their rows.
  @discardableResult
  public func close(drains: Bool = true) -> [StreamError] {
    let worker: Worker? = state.withLock { state in
      if state.isClosed { return nil }
      state.isClosed = true
      state.unreadyReason = "the service is shutting down"
      return state.worker
    }
    worker?.stop()
    var errors: [StreamError] = []
    for table in order {
      guard let stream = streams[table] else { continue }
      stream.closeLogs()
      if drains {
        do throws(StreamError) { try stream.flush() } catch { errors.append(error) }
      }
      stream.close()
      lease.release(stream.table)
    }
    return errors
  }
}
