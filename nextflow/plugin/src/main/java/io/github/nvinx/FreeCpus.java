package io.github.nvinx;

import java.lang.reflect.Field;
import nextflow.executor.local.LocalExecutor;
import nextflow.processor.LocalPollingMonitor;

/** How many CPUs Nextflow's local executor has left, which it tells nobody. */
final class FreeCpus {
    private FreeCpus() {}

    /** None where this version of Nextflow keeps them otherwise. */
    static int of(LocalExecutor executor) {
        try {
            Field field = LocalPollingMonitor.class.getDeclaredField("availCpus");
            field.setAccessible(true);
            return field.getInt(executor.getTaskMonitor());
        } catch (ReflectiveOperationException | IllegalArgumentException error) {
            return 0;
        }
    }
}
