package io.github.nvinx;

import nextflow.executor.local.LocalExecutor;
import nextflow.executor.local.LocalTaskHandler;
import nextflow.processor.TaskHandler;
import nextflow.processor.TaskRun;
import nextflow.util.ServiceName;

/** The local executor; tasks whose wrapper would wait for the card stand in line before it runs. */
@ServiceName("local")
public class CardExecutor extends LocalExecutor {
    private final Line line = new Line();

    @Override
    public TaskHandler createTaskHandler(TaskRun task) {
        TaskHandler usual = super.createTaskHandler(task);
        if (usual.getClass() != LocalTaskHandler.class) {
            return usual;
        }
        Guard.join(task.getConfig());
        return Place.isWantedBy(task)
                ? new CardTaskHandler(task, this, line)
                : new OtherTaskHandler(task, this, line);
    }
}
