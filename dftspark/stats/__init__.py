"""One statistic per file; all of them obey the laws of dftspark.stats.protocol."""
