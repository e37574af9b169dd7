// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// What tells one delete file from another: deletion vectors share files.
struct DeleteFileKey: Hashable {
  var path: String
  var offset: Int64?

  init(_ file: DataFile) {
    path = file.path
    offset = file.isDeletionVector ? file.contentOffset : nil
  }
}

/// Which files a snapshot adds and removes.
struct FileChanges {
  var addedDataFiles: [DataFile] = []
  /// The data sequence number of the added files; that of the commit when `nil`. A rewrite keeps the
  /// number of what it rewrites, so that later equality deletes go on applying.
  var addedDataSequenceNumber: Int64?
  var addedDeleteFiles: [DataFile] = []
  /// Data files to remove, by path; the value when the caller knew it.
  var removedDataFiles: [String: DataFile?] = [:]
  var removedDeleteFiles: [DeleteFileKey: DataFile] = [:]
  /// Files whose rows all match are removed.
  var removedWhere: Predicate?
  /// All files of these partitions are removed.
  var removedPartitions: Set<PartitionKey> = []
  /// Manifests tell nothing of the values of files that are gone: entries of files that earlier snapshots
  /// removed go, those of removed ones lose their metrics.
  var forgetsValues = false

  var removesDataFiles: Bool {
    !removedDataFiles.isEmpty || removedWhere != nil || !removedPartitions.isEmpty
  }

  var isEmpty: Bool {
    addedDataFiles.isEmpty && addedDeleteFiles.isEmpty && removedDeleteFiles.isEmpty
      && !removesDataFiles
  }

  /// What these changes do, for the summary.
  var operation: Snapshot.Operation {
    let adds = !addedDataFiles.isEmpty
    let deletes =
      removesDataFiles || !addedDeleteFiles.isEmpty
    return adds && deletes ? .overwrite : deletes ? .delete : .append
  }
}
