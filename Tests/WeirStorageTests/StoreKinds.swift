// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

/// The kinds of stores that must behave alike.
enum StoreKind: String, CaseIterable, Sendable {
  case memory, local, unsyncedLocal, faultyMemory, faultyLocal

  /// False where many requests take long.
  var isFast: Bool { true }
  /// True where an object cannot have the path of a folder of others.
  var hasFolders: Bool { true }

  /// True when what a put returned and what the store says later are the same.
  func agree(_ put: ObjectMetadata, _ later: ObjectMetadata) -> Bool { put == later }

  /// A new, empty store; its files are in `folder`.
  func make(_ folder: TemporaryFolder) throws -> any ObjectStore {
    switch self {
    case .memory: MemoryObjectStore()
    case .local: try LocalObjectStore(root: "\(folder.path)/store/root")
    case .unsyncedLocal: try LocalObjectStore(root: folder.path, syncs: false)
    case .faultyMemory:
      FaultInjectingObjectStore(wrapping: MemoryObjectStore(), seed: 1, plan: FaultPlan())
    case .faultyLocal:
      FaultInjectingObjectStore(
        wrapping: try LocalObjectStore(root: folder.path, syncs: false), seed: 1,
        plan: FaultPlan())
    }
  }
}
