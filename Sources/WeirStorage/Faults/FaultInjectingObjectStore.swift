// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirColumnar

/// A store around another one that fails as its plan says, the same way each time.
///
/// Calls are numbered from 1 in the order in which they start; what happens in a call follows from
/// the seed and its number (`FaultPlan.decide`). Used by one thread, a seed replays exactly.
/// `crash()` is the death of the machine: writes that the plan lost are undone in the wrapped store
/// and writers that were not finished are dead.
public final class FaultInjectingObjectStore: ObjectStore {
  /// A fault that happened.
  public struct Injection: Sendable, Hashable {
    public var number: UInt64
    public var operation: StorageOperation
    public var path: String
    public var fault: Fault
  }

  /// The log keeps this many injections, the first ones.
  public static let logCountMax = 10_000
  /// Former versions are kept of at most this many paths, for stale reads.
  public static let formerVersionCountMax = 1_000

  struct Version {
    var bytes: Buffer
    var metadata: ObjectMetadata
  }

  /// What a crash leaves of an object; no bytes when nothing.
  private struct Remains {
    var bytes: Buffer?
  }

  private struct Former {
    var version: Version?
  }

  private struct State {
    var callCount: UInt64 = 0
    var crashCount = 0
    var injections: [Injection] = []
    var remainsAtCrash: [PathKey: Remains] = [:]
    var former: [PathKey: Former] = [:]
  }

  public let wrapped: any ObjectStore
  public let seed: UInt64
  public let plan: FaultPlan
  private let sleep: @Sendable (Int) -> Void
  private let state = Mutex(State())
  /// Held over a change and the look at what was there before it.
  private let changing = Mutex(())

  /// - Parameter sleep: waits for so many nanoseconds; replace it to run without waiting.
  public init(
    wrapping wrapped: any ObjectStore, seed: UInt64, plan: FaultPlan,
    sleep: @escaping @Sendable (Int) -> Void = SystemTime.sleep
  ) {
    self.wrapped = wrapped
    self.seed = seed
    self.plan = plan
    self.sleep = sleep
  }

  /// The faults so far, in the order of their calls' starts.
  public var injections: [Injection] { state.withLock { $0.injections } }

  /// The calls so far.
  public var callCount: UInt64 { state.withLock { $0.callCount } }

  /// Undoes the lost writes in the wrapped store. What comes back has a new etag.
  public func crash() throws(StorageError) {
    try changing.withLock { _ throws(StorageError) in
      let remains = state.withLock { state in
        state.crashCount += 1
        state.former = [:]
        defer { state.remainsAtCrash = [:] }
        return state.remainsAtCrash
      }
      for (key, remains) in remains.sorted(by: { $0.key < $1.key }) {
        if let bytes = remains.bytes {
          try wrapped.put(key.string, bytes)
        } else {
          try wrapped.delete(key.string)
        }
      }
    }
  }

  public func head(_ path: String) throws(StorageError) -> ObjectMetadata {
    if let former = try begin(.head, path).stale { return try version(former, "head").metadata }
    return try wrapped.head(path)
  }

  public func get(_ path: String, range: Range<Int>?) throws(StorageError) -> Buffer {
    let call = try begin(.get, path)
    if let former = call.stale {
      let version = try version(former, "get")
      let reader = MemoryObjectReader(name: path, bytes: version.bytes)
      return try reader.read(range ?? 0..<reader.size)
    }
    return call.shortened(try wrapped.get(path, range: range))
  }

  public func open(_ path: String) throws(StorageError) -> any ObjectReader {
    let inner: any ObjectReader
    if let former = try begin(.open, path).stale {
      inner = MemoryObjectReader(name: path, bytes: try version(former, "open").bytes)
    } else {
      inner = try wrapped.open(path)
    }
    return FaultInjectingReader(store: self, inner: inner)
  }

  public func put(
    _ path: String, _ bytes: Buffer, condition: PutCondition
  ) throws(StorageError) -> ObjectMetadata {
    let call = try begin(.put, path)
    return try change(call, bytes: bytes, condition) { () throws(StorageError) in
      try wrapped.put(path, bytes, condition: condition)
    }
  }

  public func create(
    _ path: String, condition: PutCondition
  ) throws(StorageError) -> any ObjectWriter {
    _ = try begin(.create, path)
    return FaultInjectingWriter(
      store: self, inner: try wrapped.create(path, condition: condition), path: path,
      condition: condition)
  }

  public func list(
    prefix: String, after: String?, limit: Int
  ) throws(StorageError) -> ListPage {
    let call = try begin(.list, prefix)
    var page = try wrapped.list(prefix: prefix, after: after, limit: limit)
    if call.fault == .staleRead {
      // What was created last is not there yet.
      let former = state.withLock { $0.former }
      page.objects.removeAll { object in
        former[PathKey(object.path)].map { $0.version == nil } ?? false
      }
    }
    return page
  }

  public func delete(_ path: String) throws(StorageError) {
    let call = try begin(.delete, path)
    try change(call, bytes: nil, .none) { () throws(StorageError) in try wrapped.delete(path) }
  }
}

extension FaultInjectingObjectStore {
  /// A call that is under way.
  struct Call {
    var number: UInt64
    var path: String
    var fault: Fault?
    /// Set for a stale read of a path whose former state is known.
    fileprivate var stale: StaleVersion?

    /// The first of the bytes, where the fault is a short read.
    func shortened(_ bytes: Buffer) -> Buffer {
      guard case .shortRead(let fraction)? = fault else { return bytes }
      return bytes.prefix(fraction)
    }
  }

  fileprivate struct StaleVersion {
    var path: String
    var version: Version?
  }

  var crashCount: Int { state.withLock { $0.crashCount } }

  /// Numbers a call, waits as long as it is late, and fails it if that is its fault.
  func begin(_ operation: StorageOperation, _ path: String) throws(StorageError) -> Call {
    var (call, decision) = state.withLock { state in
      state.callCount += 1
      let number = state.callCount
      var decision = plan.decide(seed: seed, number: number, operation: operation)
      var call = Call(number: number, path: path, fault: decision.fault, stale: nil)
      if decision.fault == .staleRead && operation != .list {
        if let former = state.former[PathKey(path)] {
          call.stale = StaleVersion(path: path, version: former.version)
        } else {
          // Nothing changed: what is there is what was there.
          decision.fault = nil
        }
      }
      if let fault = decision.fault, state.injections.count < Self.logCountMax {
        state.injections.append(
          Injection(number: number, operation: operation, path: path, fault: fault))
      }
      return (call, decision)
    }
    call.fault = decision.fault
    if decision.latencyNanoseconds > 0 { sleep(decision.latencyNanoseconds) }
    if call.fault == .errorBefore { throw failure(call, operation.rawValue) }
    return call
  }

  fileprivate func version(
    _ stale: StaleVersion, _ operation: String
  ) throws(StorageError) -> Version {
    guard let version = stale.version else { throw .notFound(stale.path, operation: operation) }
    return version
  }

  private func failure(_ call: Call, _ operation: String) -> StorageError {
    StorageError(
      .unavailable, operation: operation, path: call.path,
      "injected fault in call \(call.number) of seed \(seed); it may have taken effect")
  }

  /// Makes a change with its fault, and remembers what a crash and a stale read need.
  ///
  /// - Parameter bytes: of the new object; `nil` for a delete.
  func change<R: Sendable>(
    _ call: Call, bytes: Buffer?, _ condition: PutCondition, operation: String = "put",
    _ effect: () throws(StorageError) -> R
  ) throws(StorageError) -> R {
    guard plan.needsVersions || call.fault != nil else { return try effect() }
    return try changing.withLock { _ throws(StorageError) in
      let key = PathKey(call.path)
      let before = plan.needsVersions ? try currentVersion(call.path) : nil
      if case .tornPut(let fraction)? = call.fault, let bytes {
        _ = try wrapped.put(call.path, bytes.prefix(fraction), condition: condition)
        remember(key, before, atCrash: nil)
        throw failure(call, operation)
      }
      let result = try effect()
      switch call.fault {
      case .lostWrite:
        let earlier = state.withLock { $0.remainsAtCrash[key] }
        remember(key, before, atCrash: earlier ?? Remains(bytes: before?.bytes))
      case .tornAtCrash(let fraction):
        remember(key, before, atCrash: Remains(bytes: bytes?.prefix(fraction)))
      default:
        remember(key, before, atCrash: nil)
      }
      if call.fault == .errorAfter { throw failure(call, operation) }
      return result
    }
  }

  private func currentVersion(_ path: String) throws(StorageError) -> Version? {
    do {
      let metadata = try wrapped.head(path)
      return Version(bytes: try wrapped.get(path), metadata: metadata)
    } catch {
      if error.code == .notFound || error.code == .invalidPath { return nil }
      throw error
    }
  }

  /// - Parameter atCrash: what a crash leaves; `nil` when the change survives it.
  private func remember(_ key: PathKey, _ before: Version?, atCrash: Remains?) {
    guard plan.needsVersions else { return }
    state.withLock { state in
      state.remainsAtCrash[key] = atCrash
      if state.former.count >= Self.formerVersionCountMax { state.former = [:] }
      state.former[key] = Former(version: before)
    }
  }
}

extension Buffer {
  /// The first bytes; `fraction` is at least 0 and less than 1.
  fileprivate func prefix(_ fraction: Double) -> Buffer {
    slice(offset: 0, count: Int(Double(count) * fraction))
  }
}
