// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar

/// A call that a process is about to make.
public struct SimulatedDiskCall: Sendable {
  public enum Operation: String, Sendable, CaseIterable {
    case makeFolder, list, create, open, rename, delete, syncFolder, lock
    case size, read, write, sync, truncate, preallocate
  }

  /// The name of the process.
  public var process: String
  public var operation: Operation
  public var path: String
}

/// What becomes of a call.
public enum SimulatedDiskAnswer: Sendable {
  case proceed
  /// It fails. A write may have changed a part; after a sync that failed, some of what was written is
  /// durable, and the rest never will be, though it is still what is read.
  case fail(DiskError.Code)
  /// The process dies: this call and all that follow throw `crashed`, its locks are free. What it
  /// wrote stays.
  case killProcess(afterwards: Bool)
  /// All processes die, and what was not synced is lost, kept, or torn. What the call itself does may
  /// be a part of that.
  case losePower
  /// It returns as if it had been done. Only for `write`, `sync` and `syncFolder`; the others proceed.
  /// For tests that must notice a program that leaves it out.
  case pretend
}

/// The disk of a simulated machine, and the faults that disks have.
///
/// What was not synced when the power is lost stays or goes by chance, each sector of 512 bytes and
/// each change of a name on its own; a sector may be torn. All choices come from `random`: the same
/// calls have the same end.
///
/// Nothing here waits, and no lock is held while `onCall` runs: it may call anything, also other
/// processes' steps, and this disk.
public final class SimulatedDisk: Sendable {
  public typealias Hook = @Sendable (SimulatedDiskCall) -> SimulatedDiskAnswer

  private let state: Mutex<SimulatedDiskState>
  /// In an object: a function that is taken out of a lock is wrapped anew each time.
  private final class HookBox: Sendable {
    let hook: Hook
    init(_ hook: @escaping Hook) { self.hook = hook }
  }

  private let hook = Mutex<HookBox?>(nil)

  /// - Parameter capacityBytes: of all files together.
  public init(capacityBytes: Int = .max, random: @escaping @Sendable () -> UInt64) {
    state = Mutex(SimulatedDiskState(capacityBytes: capacityBytes, random: random))
  }

  /// Decides about every call; all proceed without it.
  public func onCall(_ hook: Hook?) { self.hook.withLock { $0 = hook.map { HookBox($0) } } }

  /// A process of this machine; it sees the disk as the others do until the power is lost.
  public func process(_ name: String) -> any Disk {
    SimulatedProcess(self, name: name, id: state.withLock { $0.addProcess() })
  }

  /// Takes the power away: see `SimulatedDiskAnswer.losePower`.
  public func losePower() { state.withLock { $0.losePower() } }

  /// Kills a process that `process(_:)` returned.
  public func kill(_ disk: any Disk) {
    guard let process = disk as? SimulatedProcess else { return }
    state.withLock { $0.kill(process.id) }
  }

  public var usedBytes: Int { state.withLock { $0.usedBytes } }

  /// Changes how much fits.
  public func setCapacity(bytes: Int) { state.withLock { $0.capacityBytes = bytes } }

  /// Changes a durable byte behind everybody's back: what a failing medium does.
  ///
  /// - Returns: `false` when there is no such byte.
  @discardableResult
  public func damage(_ path: String, at offset: Int, xor mask: UInt8) -> Bool {
    state.withLock { $0.damage(path, at: offset, xor: mask) }
  }

  /// Does what a call of a process does, after asking what becomes of it.
  ///
  /// - Parameters:
  ///   - failing: what the call does nevertheless when it fails.
  ///   - pretended: what it returns when it is not done.
  ///   - effect: what it does.
  fileprivate func perform<T: Sendable>(
    _ process: SimulatedProcess, _ operation: SimulatedDiskCall.Operation, _ path: String,
    failing: (inout SimulatedDiskState) -> Void = { _ in }, pretended: T? = nil,
    _ effect: (inout SimulatedDiskState) throws(DiskError) -> T
  ) throws(DiskError) -> T {
    let crashed = DiskError(
      .crashed, operation: operation.rawValue, path: path, "the simulated process is dead")
    func isDead() -> Bool { state.withLock { !$0.isAlive(process.id) } }
    if isDead() { throw crashed }
    let call = SimulatedDiskCall(process: process.name, operation: operation, path: path)
    let answer = hook.withLock({ $0 })?.hook(call) ?? .proceed
    if isDead() { throw crashed }
    switch answer {
    case .proceed:
      return try state.withLock { (state) throws(DiskError) -> T in try effect(&state) }
    case .pretend:
      if let pretended { return pretended }
      return try state.withLock { (state) throws(DiskError) -> T in try effect(&state) }
    case .fail(let code):
      state.withLock { failing(&$0) }
      throw DiskError(code, operation: operation.rawValue, path: path, "simulated: \(code)")
    case .killProcess(let afterwards):
      state.withLock {
        if afterwards { _ = try? effect(&$0) }
        $0.kill(process.id)
      }
      throw crashed
    case .losePower:
      state.withLock {
        if $0.chance(1, of: 2) { _ = try? effect(&$0) }
        $0.losePower()
      }
      throw crashed
    }
  }

  fileprivate func release(_ node: Int) { state.withLock { $0.release(node) } }
  fileprivate func unlock(_ path: String, _ process: Int) {
    state.withLock { $0.unlock(path, process) }
  }
}

/// The disk as one process of the machine sees it.
private final class SimulatedProcess: Disk {
  let machine: SimulatedDisk
  let name: String
  let id: Int

  init(_ machine: SimulatedDisk, name: String, id: Int) {
    self.machine = machine
    self.name = name
    self.id = id
  }

  func makeFolder(_ path: String) throws(DiskError) {
    try machine.perform(self, .makeFolder, path) { $0.makeFolder(path) }
  }

  func list(_ folder: String) throws(DiskError) -> [String] {
    try machine.perform(self, .list, folder) { (state) throws(DiskError) in
      try state.list(folder)
    }
  }

  func create(_ path: String) throws(DiskError) -> any DiskFile {
    let node = try machine.perform(self, .create, path) { (state) throws(DiskError) in
      try state.create(path)
    }
    return SimulatedFile(self, path, node)
  }

  func open(_ path: String) throws(DiskError) -> any DiskFile {
    let node = try machine.perform(self, .open, path) { (state) throws(DiskError) in
      try state.open(path)
    }
    return SimulatedFile(self, path, node)
  }

  func rename(_ from: String, to: String) throws(DiskError) {
    try machine.perform(self, .rename, from) { (state) throws(DiskError) in
      try state.rename(from, to: to)
    }
  }

  func delete(_ path: String) throws(DiskError) {
    try machine.perform(self, .delete, path) { (state) throws(DiskError) in
      try state.delete(path)
    }
  }

  func syncFolder(_ path: String) throws(DiskError) {
    try machine.perform(
      self, .syncFolder, path, failing: { $0.settleNames(in: path, keepsPending: true) },
      pretended: (), { $0.syncNames(in: path) })
  }

  func lock(_ path: String, owner: String) throws(DiskError) -> any DiskLock {
    try machine.perform(self, .lock, path) { (state) throws(DiskError) in
      try state.lock(path, id, owner)
    }
    return SimulatedLock(self, path)
  }
}

private final class SimulatedFile: DiskFile {
  let path: String
  private let process: SimulatedProcess
  private let node: Int

  init(_ process: SimulatedProcess, _ path: String, _ node: Int) {
    self.process = process
    self.path = path
    self.node = node
  }

  deinit { process.machine.release(node) }

  func size() throws(DiskError) -> Int {
    try process.machine.perform(process, .size, path) { $0.size(node) }
  }

  func read(at offset: Int, count: Int) throws(DiskError) -> Buffer {
    try process.machine.perform(process, .read, path) { $0.read(node, offset, count) }
  }

  func write(_ bytes: Buffer, at offset: Int) throws(DiskError) {
    let bytes = bytes.array(of: UInt8.self)
    try process.machine.perform(
      process, .write, path,
      failing: { state in
        let part = Array(bytes.prefix(Int(state.random() % UInt64(bytes.count + 1))))
        try? state.write(node, part, offset, path)
      }, pretended: (),
      { (state) throws(DiskError) in try state.write(node, bytes, offset, path) })
  }

  func sync() throws(DiskError) {
    try process.machine.perform(
      process, .sync, path, failing: { $0.settle(node) }, pretended: (), { $0.sync(node) })
  }

  func truncate(to size: Int) throws(DiskError) {
    try process.machine.perform(process, .truncate, path) { $0.truncate(node, size) }
  }

  func preallocate(to size: Int) throws(DiskError) -> Bool {
    try process.machine.perform(process, .preallocate, path) { (state) throws(DiskError) in
      try state.preallocate(node, size, path)
      return true
    }
  }
}

private final class SimulatedLock: DiskLock {
  private let process: SimulatedProcess
  private let path: String

  init(_ process: SimulatedProcess, _ path: String) {
    self.process = process
    self.path = path
  }

  deinit { release() }

  func release() { process.machine.unlock(path, process.id) }
}
