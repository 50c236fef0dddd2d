package io.github.nvinx;

import java.util.HashSet;
import java.util.Set;
import nextflow.executor.local.LocalExecutor;
import nextflow.executor.local.LocalTaskHandler;
import nextflow.processor.TaskHandler;
import nextflow.processor.TaskRun;
import nextflow.util.ServiceName;

/** The local executor; tasks whose wrapper would wait for the card stand in line before it runs. */
@ServiceName("local")
public class CardExecutor extends LocalExecutor {
    /** Each that stands in line is a process, so not all do. */
    private static final int MOST_IN_LINE = 8;

    private final Set<Place> inLine = new HashSet<>();

    @Override
    public TaskHandler createTaskHandler(TaskRun task) {
        TaskHandler usual = super.createTaskHandler(task);
        boolean waits = usual instanceof LocalTaskHandler && Place.isWantedBy(task);
        return waits ? new CardTaskHandler(task, this) : usual;
    }

    /** A place in the line for this task, or null while the line is long enough. */
    synchronized Place queue(TaskRun task) {
        inLine.removeIf(Place::isLeft);
        if (inLine.size() >= MOST_IN_LINE) {
            return null;
        }
        Place place = Place.take(task);
        inLine.add(place);
        return place;
    }
}
