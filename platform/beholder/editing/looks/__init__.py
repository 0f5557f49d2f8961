"""Looks: photos developed along photographic directions, without a generator and without weights.

look_editor      the editor: photos, or landscapes of seeds, under looks; signs the contract
look_directions  the directions, their steps, ranges and fixed order
develop          linear light -> linear light under a look: one exposure of many maps, then colour
tone_maps        where in a photo each tonal direction acts, and the frame that is cut out
face_look        light on faces, brighter eyes and a blurred background, where the extra finds faces
full_size        a look at full resolution, in tiles, written with the photo's metadata
look_fit         which look takes a photo to what somebody made of it
contact_sheet    photos before and after, in one picture
framing          what straighten and crop leave of a photo
look_files       looks as files: .cube, Lightroom's .xmp, a preset in JSON
calibration      how far a step goes, to the eye
landscape        landscapes drawn from seeds
"""
